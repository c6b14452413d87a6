package jsonl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
)

// Version is the version of the format that is written, and the newest that is
// understood.
const Version = 1

// Header is the first line of an export.
type Header struct {
	Version    int       `json:"engram_export"`
	Space      string    `json:"space"`
	Generation uint64    `json:"generation"` // what follows is all of this one
	ExportedAt time.Time `json:"exported_at"`
	Settings   Settings  `json:"settings"`
}

// Settings are what a space is created with. Durations are written as Go does
// ("24h0m0s"); zero values are the server's defaults, or no limit.
type Settings struct {
	Dimension         int    `json:"dimension"`
	Metric            string `json:"metric"`
	Embedder          string `json:"embedder,omitempty"`
	EmbedderModel     string `json:"embedder_model,omitempty"`
	IndexThreshold    uint64 `json:"index_threshold"`
	MaxAge            string `json:"max_age,omitempty"`
	MaxCount          uint64 `json:"max_count,omitempty"`
	MaxBytes          uint64 `json:"max_bytes,omitempty"`
	QuotaObservations uint64 `json:"quota_observations,omitempty"`
	QuotaBytes        uint64 `json:"quota_bytes,omitempty"`
	HistoryWindow     string `json:"history_window,omitempty"`
}

// End is the last line of an export.
type End struct {
	Observations uint64 `json:"engram_export_end"`
}

// SettingsOf are the settings of a space.
func SettingsOf(s engram.Space) Settings {
	return Settings{
		Dimension: s.Dimension, Metric: s.Metric.String(), Embedder: s.Embedder, EmbedderModel: s.EmbedderModel, IndexThreshold: s.IndexThreshold,
		MaxAge: span(s.MaxAge), MaxCount: s.MaxCount, MaxBytes: s.MaxBytes, QuotaObservations: s.Quotas.Observations, QuotaBytes: s.Quotas.Bytes,
		HistoryWindow: span(s.HistoryWindow),
	}
}

func span(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// NewSpace is what creates a space with these settings.
func (s Settings) NewSpace() (engram.NewSpace, error) {
	n := engram.NewSpace{
		Dimension: s.Dimension, Embedder: s.Embedder, IndexThreshold: &s.IndexThreshold, MaxCount: s.MaxCount, MaxBytes: s.MaxBytes,
		Quotas: engram.Quotas{Observations: s.QuotaObservations, Bytes: s.QuotaBytes},
	}
	for m := engram.DefaultMetric; m.String() != s.Metric; m++ {
		if m == engram.Euclidean {
			return n, fmt.Errorf("the header's metric is %q, which is not known", s.Metric)
		}
		n.Metric = m + 1
	}
	var err error
	for _, d := range []struct {
		name, text string
		to         *time.Duration
	}{{"max_age", s.MaxAge, &n.MaxAge}, {"history_window", s.HistoryWindow, &n.HistoryWindow}} {
		if d.text == "" {
			continue
		}
		if *d.to, err = time.ParseDuration(d.text); err != nil {
			return n, fmt.Errorf("the header's %s is %q, which is no duration", d.name, d.text)
		}
	}
	return n, nil
}

// ParseHeader reads a line as a header; ok is false when it is something else.
func ParseHeader(line []byte) (h Header, ok bool, err error) {
	if !bytes.Contains(line, []byte(`"engram_export"`)) || json.Unmarshal(line, &h) != nil || h.Version == 0 {
		return Header{}, false, nil
	}
	if h.Version > Version {
		return h, true, fmt.Errorf("the file is of version %d of the format; this program knows %d", h.Version, Version)
	}
	return h, true, nil
}

// ParseEnd reads a line as the end; ok is false when it is something else.
func ParseEnd(line []byte) (e End, ok bool) {
	if !bytes.Contains(line, []byte(`"engram_export_end"`)) {
		return End{}, false
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	return e, d.Decode(&e) == nil
}
