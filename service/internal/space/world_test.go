package space

import (
	"fmt"
	"math"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/engram-stream/engram/service/internal/clock"
	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a space and the frames it would have journaled.
type world struct {
	*Space
	clock  *clock.Manual
	frames []*journal.Frame
	seq    memory.Sequence
}

var epoch = time.Unix(1_700_000_000, 0)

func newWorld(set Settings) *world {
	c := clock.NewManual(epoch)
	if set.ID == "" {
		set.ID = "test"
	}
	if set.Metric == 0 {
		set.Metric = memory.MetricCosine
	}
	if set.History == 0 {
		set.History = 5 * time.Minute
	}
	set.Incarnation, set.CreatedAt = 7, epoch
	return &world{Space: New(set, c), clock: c}
}

// take carries entries the whole way, as a worker would.
func (w *world) take(entries ...memory.Entry) []memory.Outcome {
	b := w.Prepare(entries, nil)
	if b.Frame != nil {
		w.frames = append(w.frames, b.Frame)
	}
	w.Begin(b)
	w.Apply(b, b.Rows())
	w.Publish(b)
	return b.Outcomes
}

// observe takes observations without a session.
func (w *world) observe(obs ...*memory.Observation) []memory.Outcome {
	entries := make([]memory.Entry, len(obs))
	for i, o := range obs {
		w.seq++
		entries[i] = memory.Entry{Incarnation: 1, Sequence: w.seq, Observation: o}
	}
	return w.take(entries...)
}

func (w *world) forget(ids ...memory.ObservationID) memory.Generation {
	f, gens := w.PrepareForget(ids, nil)
	if f == nil {
		return w.Current().Generation
	}
	w.frames = append(w.frames, f)
	return w.ApplyForget(f, gens)
}

func (w *world) indexAll() {
	for w.WantsIndexing() {
		w.Index(100, func() bool { return true })
	}
}

// replayed is a fresh space made from the frames alone.
func (w *world) replayed(t testing.TB) *world {
	t.Helper()
	set := w.Settings()
	c := clock.NewManual(w.clock.Now())
	again := &world{Space: New(set, c), clock: c}
	for i, f := range w.frames {
		if err := again.Replay(f); err != nil {
			t.Fatalf("replay frame %d: %v", i, err)
		}
	}
	return again
}

func obs(id string, v ...float32) *memory.Observation {
	o := &memory.Observation{ID: memory.ObservationID(id), Content: "text of " + id, Vector: v, Encoding: memory.EncodingValues}
	o.Digest, _ = memory.DigestOf(o)
	return o
}

func replacing(o *memory.Observation) *memory.Observation {
	o.Replace = true
	o.Digest, _ = memory.DigestOf(o)
	return o
}

func (w *world) ask(t testing.TB, snap *Snapshot, limit int, v ...float32) []Hit {
	t.Helper()
	return w.question(t, snap, &Question{Vector: v, Limit: limit})
}

func (w *world) question(t testing.TB, snap *Snapshot, q *Question) []Hit {
	t.Helper()
	if q.MinSimilarity == 0 {
		q.MinSimilarity = float32(math.Inf(-1))
	}
	if q.Now.IsZero() {
		q.Now = w.clock.Now()
	}
	a, err := w.Recall(snap, q)
	if err != nil {
		t.Fatal(err)
	}
	return a.Hits
}

func names(hits []Hit) (out []string) {
	for _, h := range hits {
		out = append(out, string(h.Observation.ID))
	}
	return out
}

func mustEqual(t testing.TB, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Fatalf("%s is %s, want %s", what, g, w)
	}
}

func predicate(t testing.TB, x filter.Expr) *filter.Predicate {
	t.Helper()
	p, err := filter.Compile(x)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
