package space

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/engram-stream/engram/service/internal/embed"
	"github.com/engram-stream/engram/service/internal/memory"
)

// Settings are what a space was created with, as the journal keeps them.
type Settings struct {
	ID          memory.SpaceID     `json:"id"`
	Incarnation memory.Incarnation `json:"incarnation"`
	// Dimension is 0 until the first observation fixes it.
	Dimension int            `json:"dimension"`
	Metric    memory.Metric  `json:"metric"`
	Embedder  embed.Identity `json:"embedder"`
	// IndexThreshold is the number of rows from which a graph is built.
	IndexThreshold int       `json:"index_threshold"`
	CreatedAt      time.Time `json:"created_at"`
	// History is how long an old generation can be asked for.
	History   time.Duration `json:"history"`
	Quotas    Quotas        `json:"quotas"`
	Retention Retention     `json:"retention"`
	// M and EfConstruction shape the graph.
	M              int `json:"m"`
	EfConstruction int `json:"ef_construction"`
	// Base is the generation the space starts from: where an earlier space of
	// the same name ended.
	Base memory.Generation `json:"base"`
}

// Quotas bound a space. Zero is no bound of its own.
type Quotas struct {
	MaxObservations int64 `json:"max_observations,omitempty"`
	MaxBytes        int64 `json:"max_bytes,omitempty"`
}

// Retention says what a space forgets by itself. Zero is never.
type Retention struct {
	MaxAge          time.Duration `json:"max_age,omitempty"`
	MaxObservations int64         `json:"max_observations,omitempty"`
	MaxBytes        int64         `json:"max_bytes,omitempty"` // of live rows: vectors, records and columns
}

// Encode gives the settings as a frame's payload.
func (s Settings) Encode() []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("encode settings: %v", err)) // plain data: cannot fail
	}
	return b
}

// DecodeSettings reads what Encode wrote.
func DecodeSettings(b []byte) (Settings, error) {
	var s Settings
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("decode space settings: %w", err)
	}
	return s, nil
}
