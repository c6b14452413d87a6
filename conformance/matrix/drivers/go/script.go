package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
)

// script is what stdin brings.
type script struct {
	Address string
	Control string
	Steps   []step
}

// step is one step; which members it has depends on Op.
type step struct {
	raw json.RawMessage

	Op     string
	As     string
	In     string
	Of     string
	Client string
	Space  string
	Step   *step

	Dimension       int
	Metric          string
	Embedder        string
	HistoryWindowMs int64 `json:"history_window_ms"`

	Memory           bool
	Resume           string
	ResumeID         string `json:"resume_id"`
	MustExist        bool   `json:"must_exist"`
	FlushTo          string `json:"flush_to"`
	Batch            int
	Buffer           int
	NonBlocking      bool  `json:"non_blocking"`
	ConnectTimeoutMs int64 `json:"connect_timeout_ms"`
	ReconnectForMs   int64 `json:"reconnect_for_ms"`
	TimeoutMs        int64 `json:"timeout_ms"`

	From, To int
	Make     recipe
	Session  string
	First    uint64
	WaitFor  string `json:"wait_for"`

	Cue           cue
	Limit         int
	MinSimilarity *float32 `json:"min_similarity"`
	Filter        *filter
	Consistency   *consistency
	Exact         bool
	Vectors       bool

	Since uint64
	Count int
	IDs   []string
}

// UnmarshalJSON keeps the step as it came too: a fault is passed on so.
func (s *step) UnmarshalJSON(b []byte) error {
	type plain step
	if err := json.Unmarshal(b, (*plain)(s)); err != nil {
		return err
	}
	s.raw = bytes.Clone(b)
	return nil
}

func (s step) timeout() time.Duration { return time.Duration(s.TimeoutMs) * time.Millisecond }

type cue struct {
	N      *int
	Make   recipe
	Vector []float32
	ID     string
	Text   string
}

func (c cue) toSDK() engram.Cue {
	switch {
	case c.N != nil:
		return engram.ByVector(c.Make.vector(*c.N))
	case c.Vector != nil:
		return engram.ByVector(c.Vector)
	case c.ID != "":
		return engram.ByID(c.ID)
	default:
		return engram.ByText(c.Text)
	}
}

type consistency struct {
	AtLeast uint64 `json:"at_least"`
	At      uint64
	AsOf    string `json:"as_of"`
}

type filter struct{ All, Any, None []clause }

type clause struct {
	Key    string
	Equals any
	In     []any
	Exists *bool
	Range  *struct {
		Min, Max     any
		MinExclusive bool `json:"min_exclusive"`
		MaxExclusive bool `json:"max_exclusive"`
	}
}

func (f filter) toSDK() engram.Filter {
	return engram.Filter{All: clauses(f.All), Any: clauses(f.Any), None: clauses(f.None)}
}

func clauses(list []clause) (out []engram.Clause) {
	for _, c := range list {
		switch r := c.Range; {
		case r != nil && r.MinExclusive:
			out = append(out, engram.Above(c.Key, r.Min))
		case r != nil && r.MaxExclusive:
			out = append(out, engram.Below(c.Key, r.Max))
		case r != nil:
			out = append(out, engram.Between(c.Key, r.Min, r.Max))
		case c.In != nil:
			out = append(out, engram.In(c.Key, c.In...))
		case c.Exists != nil:
			out = append(out, engram.Exists(c.Key, *c.Exists))
		default:
			out = append(out, engram.Eq(c.Key, c.Equals))
		}
	}
	return out
}

// fault passes the step on to the runner, and waits for what it says.
func fault(d *driver, ctx context.Context, s step) (object, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.script.Control+"/fault", bytes.NewReader(s.raw))
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // it was read to its end
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the runner answered %s: %s", res.Status, body)
	}
	var ok object
	return ok, json.Unmarshal(body, &ok)
}
