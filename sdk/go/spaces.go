package engram

import (
	"context"
	"iter"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// Metric is how a space compares vectors.
type Metric int

// The metrics. The zero value is the server's default, Cosine.
const (
	DefaultMetric Metric = iota
	Cosine
	Dot
	Euclidean
)

// String gives the metric's name, and the number of one that is newer than this
// program.
func (m Metric) String() string {
	return named(int(m), "metric ", "default", "cosine", "dot", "euclidean")
}

// Space describes a memory space.
type Space struct {
	ID             string        `json:"id"`
	Dimension      int           `json:"dimension"`
	Metric         Metric        `json:"metric"`
	Embedder       string        `json:"embedder"` // kind
	EmbedderModel  string        `json:"embedder_model"`
	Generation     uint64        `json:"generation"`
	Observations   uint64        `json:"observations"`
	Unindexed      uint64        `json:"unindexed"`
	Bytes          uint64        `json:"bytes"`
	Quarantined    uint64        `json:"quarantined"`
	IndexThreshold uint64        `json:"index_threshold"`
	CreatedAt      time.Time     `json:"created_at"`
	MaxAge         time.Duration `json:"max_age_ns"` // retention
	MaxCount       uint64        `json:"max_count"`  // retention
	MaxBytes       uint64        `json:"max_bytes"`  // retention
	Quotas         Quotas        `json:"quotas"`
	HistoryWindow  time.Duration `json:"history_window_ns"` // how long At and AsOf reach back
	Asleep         bool          `json:"asleep"`            // its rows are on disk alone until something asks for them
	DeadRows       uint64        `json:"dead_rows"`         // deleted, replaced or quarantined: no recall finds them
	ResidentRows   uint64        `json:"resident_rows"`     // dead ones included, with their vectors in memory
	MappedRows     uint64        `json:"mapped_rows"`       // with their vectors in files that are mapped
	Index          IndexStatus   `json:"index"`             // how it is searched
	Memory         SpaceMemory   `json:"memory"`            // by what takes it
}

// Quotas bound what a space may take; what goes beyond is refused. Zero is the
// server's limit.
type Quotas struct {
	Observations uint64 `json:"observations"`
	Bytes        uint64 `json:"bytes"` // vectors included
}

func (q Quotas) toWire() *v1.Quotas {
	return &v1.Quotas{MaxObservations: q.Observations, MaxBytes: q.Bytes}
}

func spaceOf(m *v1.Space) Space {
	return Space{
		ID: m.GetId(), Dimension: int(m.GetDimension()), Metric: Metric(m.GetMetric()), Embedder: m.GetEmbedder().GetKind(), EmbedderModel: m.GetEmbedder().GetModel(),
		Generation: m.GetGeneration(), Observations: m.GetObservations(), Unindexed: m.GetUnindexed(), Bytes: m.GetBytes(), Quarantined: m.GetQuarantined(),
		IndexThreshold: m.GetIndexThreshold(), CreatedAt: moment(m.GetCreatedAt()),
		MaxAge: m.GetRetention().GetMaxAge().AsDuration(), MaxCount: m.GetRetention().GetMaxObservations(), MaxBytes: m.GetRetention().GetMaxBytes(),
		Quotas:        Quotas{Observations: m.GetQuotas().GetMaxObservations(), Bytes: m.GetQuotas().GetMaxBytes()},
		HistoryWindow: m.GetHistoryWindow().AsDuration(), Asleep: m.GetAsleep(),
		DeadRows: m.GetDeadRows(), ResidentRows: m.GetResidentRows(), MappedRows: m.GetMappedRows(),
		Index: indexStatusOf(m.GetIndex()), Memory: spaceMemoryOf(m.GetMemory()),
	}
}

// NewSpace describes a space to create. Zero values are the server's defaults.
type NewSpace struct {
	Dimension int
	Metric    Metric
	Embedder  string // none, hashing or openai
	// IndexThreshold is from how many rows on a graph is built; nil is the
	// server's default.
	IndexThreshold *uint64
	MaxAge         time.Duration // retention; 0 is for ever
	MaxCount       uint64        // retention; 0 is no limit
	MaxBytes       uint64        // retention; 0 is no limit
	Quotas         Quotas
	HistoryWindow  time.Duration // how long At and AsOf reach back
}

// CreateSpace creates a space; created is false when it was there already.
func (c *Client) CreateSpace(ctx context.Context, id string, n NewSpace) (s Space, created bool, err error) {
	r := &v1.CreateSpaceRequest{
		Space: id, Dimension: uint32(max(0, n.Dimension)), Metric: v1.Metric(n.Metric), Embedder: n.Embedder, IndexThreshold: n.IndexThreshold,
		Retention: retention(n.MaxAge, n.MaxCount, n.MaxBytes),
	}
	if n.Quotas != (Quotas{}) {
		r.Quotas = n.Quotas.toWire()
	}
	if n.HistoryWindow != 0 {
		r.HistoryWindow = durationpb.New(n.HistoryWindow)
	}
	m, err := c.spaces.CreateSpace(ctx, r)
	if err != nil {
		return Space{}, false, fromWire(err)
	}
	return spaceOf(m.Space), m.Created, nil
}

func retention(age time.Duration, count, size uint64) *v1.Retention {
	if age == 0 && count == 0 && size == 0 {
		return nil
	}
	return &v1.Retention{MaxAge: durationpb.New(age), MaxObservations: count, MaxBytes: size}
}

// GetSpace reads a space and its statistics.
func (c *Client) GetSpace(ctx context.Context, id string) (Space, error) {
	m, err := c.spaces.GetSpace(ctx, &v1.GetSpaceRequest{Space: id})
	if err != nil {
		return Space{}, fromWire(err)
	}
	return spaceOf(m.Space), nil
}

// ListSpaces goes through the spaces whose names begin with prefix, by name.
func (c *Client) ListSpaces(ctx context.Context, prefix string) iter.Seq2[Space, error] {
	return func(yield func(Space, error) bool) {
		r := &v1.ListSpacesRequest{Prefix: prefix}
		for {
			m, err := c.spaces.ListSpaces(ctx, r)
			if err != nil {
				yield(Space{}, fromWire(err))
				return
			}
			for _, s := range m.Spaces {
				if !yield(spaceOf(s), nil) {
					return
				}
			}
			if r.PageToken = m.NextPageToken; r.PageToken == "" {
				return
			}
		}
	}
}

// SpaceChange says what to change of a space; nil stays.
type SpaceChange struct {
	IndexThreshold *uint64
	MaxAge         *time.Duration
	MaxCount       *uint64
	MaxBytes       *uint64
	Quotas         *Quotas
}

// UpdateSpace changes retention, quotas or the index threshold.
func (c *Client) UpdateSpace(ctx context.Context, id string, change SpaceChange) (Space, error) {
	r := &v1.UpdateSpaceRequest{Space: id, IndexThreshold: change.IndexThreshold}
	if change.MaxAge != nil || change.MaxCount != nil || change.MaxBytes != nil {
		now, err := c.GetSpace(ctx, id)
		if err != nil {
			return Space{}, err
		}
		if change.MaxAge != nil {
			now.MaxAge = *change.MaxAge
		}
		if change.MaxCount != nil {
			now.MaxCount = *change.MaxCount
		}
		if change.MaxBytes != nil {
			now.MaxBytes = *change.MaxBytes
		}
		r.Retention = &v1.Retention{MaxAge: durationpb.New(now.MaxAge), MaxObservations: now.MaxCount, MaxBytes: now.MaxBytes}
	}
	if change.Quotas != nil {
		r.Quotas = change.Quotas.toWire()
	}
	m, err := c.spaces.UpdateSpace(ctx, r)
	if err != nil {
		return Space{}, fromWire(err)
	}
	return spaceOf(m.Space), nil
}

// DeleteSpace deletes a space and everything in it, and returns how many
// observations there were.
func (c *Client) DeleteSpace(ctx context.Context, id string) (uint64, error) {
	m, err := c.spaces.DeleteSpace(ctx, &v1.DeleteSpaceRequest{Space: id})
	if err != nil {
		return 0, fromWire(err)
	}
	return m.Forgotten, nil
}
