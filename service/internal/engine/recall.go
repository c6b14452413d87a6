package engine

import (
	"context"
	"math"
	"time"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/space"
)

// Limits of a recall.
const (
	MaxLimit     = 10_000
	MaxEffort    = 10_000
	DefaultLimit = 10
)

// Cue is a recall: exactly one of Vector, Text and Example is set.
type Cue struct {
	Space   memory.SpaceID
	Vector  []float32
	Text    *string
	Example memory.ObservationID
	Limit   int // 0 is DefaultLimit
	// MinSimilarity leaves out what is less similar; nil is none.
	MinSimilarity *float32
	Filter        filter.Expr
	Consistency   space.Consistency
	Effort        int
	Exact         bool
}

// Recalled is the answer to a Cue.
type Recalled struct {
	*space.Answer
	Space     *space.Space
	Staleness time.Duration
	Took      time.Duration
	// Replaying says that the journal is still being read back, and
	// Recoverable which generation the space will reach by that.
	Replaying   bool
	Recoverable memory.Generation
}

// Recall finds the observations nearest to a cue, all of one generation.
func (e *Engine) Recall(ctx context.Context, c Cue) (*Recalled, error) {
	began := time.Now()
	sl, err := e.registry.find(c.Space)
	if err != nil {
		return nil, err
	}
	sp := sl.space
	pred, err := compile(c.Filter)
	if err != nil {
		return nil, err
	}
	q := space.Question{Limit: c.Limit, MinSimilarity: float32(math.Inf(-1)), Filter: pred, Effort: c.Effort, Exact: c.Exact, Now: e.opts.Clock.Now()}
	if q.Limit == 0 {
		q.Limit = DefaultLimit
	}
	if q.Limit < 1 || q.Limit > MaxLimit {
		return nil, fault.New(fault.InvalidArgument, fault.InvalidField, "limit is %d; it must be in 1..%d", c.Limit, MaxLimit).In("limit")
	}
	if q.Effort < 0 || q.Effort > MaxEffort {
		return nil, fault.New(fault.InvalidArgument, fault.InvalidField, "effort is %d; it must be in 0..%d", c.Effort, MaxEffort).In("effort")
	}
	if c.MinSimilarity != nil {
		q.MinSimilarity = *c.MinSimilarity
	}
	snap, err := e.pin(ctx, sp, c.Consistency)
	if err != nil {
		return nil, err
	}
	if err := e.cue(ctx, sp, &c, &q); err != nil {
		return nil, err
	}
	answer, err := sp.Recall(snap, &q)
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	e.rec.Recalled(ctx, string(c.Space), took, len(answer.Hits))
	r := &Recalled{Answer: answer, Space: sp, Staleness: sp.Stats().Staleness, Took: took, Recoverable: answer.Snapshot.Generation}
	if e.State() == Replaying {
		r.Replaying, r.Recoverable = true, max(r.Recoverable, memory.Generation(sl.recoverable.Load()))
	}
	return r, nil
}

// cue fills in the vector to look for.
func (e *Engine) cue(ctx context.Context, sp *space.Space, c *Cue, q *space.Question) (err error) {
	switch {
	case c.Vector != nil:
		set := sp.Settings()
		if set.Dimension != 0 && len(c.Vector) != set.Dimension {
			return fault.New(fault.InvalidArgument, fault.InvalidDimension,
				"the cue has %d components; the dimension of space %q is %d", len(c.Vector), sp.ID(), set.Dimension).In("embedding")
		}
		q.Vector = c.Vector
		if f := finite(c.Vector, set.Metric, "embedding"); f != nil {
			return f
		}
	case c.Text != nil:
		q.Vector, err = e.embedCue(ctx, sp, *c.Text)
	case c.Example != "":
		v, ok := sp.VectorOf(c.Example)
		if !ok {
			return fault.New(fault.NotFound, fault.ObservationNotFound, "space %q has no observation %q", sp.ID(), c.Example).In("observation_id")
		}
		q.Vector, q.Exclude = v, c.Example
	default:
		return fault.New(fault.InvalidArgument, fault.InvalidCue, "no cue: one of embedding, text and observation_id has to be set").In("cue")
	}
	return err
}

// pin waits for and returns the state to answer from. How many may wait is
// bounded.
func (e *Engine) pin(ctx context.Context, sp *space.Space, c space.Consistency) (*space.Snapshot, error) {
	if c.Mode != space.AtLeast || sp.Current().Generation >= c.Generation {
		return sp.Pin(ctx, c)
	}
	if n := e.waiters.Add(1); n > int64(e.opts.Limits.Waiters) {
		e.waiters.Add(-1)
		return nil, fault.Retry(fault.ResourceExhausted, fault.TooManyWaiters, 100*time.Millisecond,
			"%d calls wait for a generation; the limit is %d", n-1, e.opts.Limits.Waiters)
	}
	defer e.waiters.Add(-1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.leaving, cancel)()
	snap, err := sp.Pin(ctx, c)
	if err != nil && e.leaving.Err() != nil {
		return nil, errDraining
	}
	return snap, err
}

func compile(x filter.Expr) (*filter.Predicate, error) {
	if len(x.All)+len(x.Any)+len(x.None) == 0 {
		return nil, nil
	}
	return filter.Compile(x)
}
