package space

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/memory"
)

func TestIDs(t *testing.T) {
	w := newWorld(Settings{Dimension: 2})
	first := w.observe(obs("a", 1, 0), obs("b", 0, 1))
	mustEqual(t, "generation", w.Current().Generation, 2)
	again := w.observe(obs("a", 1, 0))
	if !again[0].Duplicate || again[0].Generation != first[0].Generation {
		t.Fatalf("same id, same content: %+v", again[0])
	}
	mustEqual(t, "generation after a duplicate", w.Current().Generation, 2)
	conflict := w.observe(obs("a", 0.5, 0.5))
	if r := conflict[0].Rejection; r == nil || r.Reason != string(fault.IDConflict) {
		t.Fatalf("same id, other content: %+v", conflict[0])
	}
	within := w.observe(obs("c", 1, 1), obs("c", 1, 1), obs("c", 1, 2))
	if within[0].Duplicate || !within[1].Duplicate || within[2].Rejection == nil {
		t.Fatalf("one id three times in a batch: %+v", within)
	}
	derived := w.observe(obs("", 1, 3))
	if derived[0].ID == "" || derived[0].ID != memory.DerivedID(1, w.seq) {
		t.Fatalf("derived id is %q", derived[0].ID)
	}
}

func TestReplaceIsOneGeneration(t *testing.T) {
	w := newWorld(Settings{Dimension: 2})
	w.observe(obs("a", 1, 0), obs("b", 0, 1))
	before := w.Current()
	out := w.observe(replacing(obs("a", -1, 0)))
	mustEqual(t, "generation", out[0].Generation, 3)
	mustEqual(t, "now", names(w.ask(t, w.Current(), 10, 1, 0)), []string{"b", "a"})
	mustEqual(t, "before", names(w.ask(t, before, 10, 1, 0)), []string{"a", "b"})
	old, err := w.Pin(context.Background(), Consistency{Mode: At, Generation: 2})
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, "at generation 2", names(w.ask(t, old, 10, 1, 0)), []string{"a", "b"})
	mustEqual(t, "live", w.Stats().Live, 2)
}

func TestForgetIsForEveryGeneration(t *testing.T) {
	w := newWorld(Settings{Dimension: 2})
	w.observe(obs("a", 1, 0), obs("b", 0, 1))
	held := w.Current()
	g := w.forget("a", "nothing")
	mustEqual(t, "generation", g, 3)
	mustEqual(t, "held snapshot", names(w.ask(t, held, 10, 1, 0)), []string{"b"})
	free := w.observe(obs("a", 0.3, 0.3))
	if free[0].Rejection != nil || free[0].Duplicate {
		t.Fatalf("a forgotten id is not free: %+v", free[0])
	}
	if again := w.replayed(t); again.Current().Generation != 4 || again.Stats().Live != 2 {
		t.Fatalf("after replay: %+v", again.Stats())
	}
}

func TestForgetTakesWhatWasReplacedToo(t *testing.T) {
	w := newWorld(Settings{Dimension: 2})
	w.observe(obs("a", 1, 0), obs("b", 0, 1))
	w.observe(replacing(obs("a", -1, 0)))
	w.forget("a")
	for _, x := range []*world{w, w.replayed(t)} {
		old, err := x.Pin(context.Background(), Consistency{Mode: At, Generation: 2})
		if err != nil {
			t.Fatal(err)
		}
		mustEqual(t, "at generation 2", names(x.ask(t, old, 10, 1, 0)), []string{"b"})
		mustEqual(t, "live", x.Stats().Live, 1)
	}
}

func TestAnIDIsThereWhileItIsReplaced(t *testing.T) {
	w := newWorld(Settings{Dimension: 2})
	w.observe(obs("a", 1, 0), obs("b", 0, 1))
	before := w.Current()
	w.observe(replacing(obs("a", -1, 0)))
	row, ok := before.rowOf("a")
	if !ok || row != 0 {
		t.Errorf("in the snapshot before: row %d, %v", row, ok)
	}
	if row, ok = w.Current().rowOf("a"); !ok || row != 2 {
		t.Errorf("now: row %d, %v", row, ok)
	}
	mustEqual(t, "like a, before it was replaced", names(w.question(t, before, &Question{Vector: []float32{1, 0}, Limit: 10, Exclude: "a"})), []string{"b"})
}

func TestGenerationsOfAnEarlierLifeAreGone(t *testing.T) {
	w := newWorld(Settings{Dimension: 2, Base: 5})
	w.observe(obs("a", 1, 0))
	_, err := w.Pin(context.Background(), Consistency{Mode: At, Generation: 3})
	var f *fault.Error
	if !errors.As(err, &f) || f.Reason != fault.GenerationExpired {
		t.Errorf("at a generation of before: %v", err)
	}
	for _, c := range []Consistency{{Mode: At, Generation: 5}, {Mode: AsOf, Time: epoch.Add(-time.Hour)}} {
		if sn, err := w.Pin(context.Background(), c); err != nil || sn.Generation != 5 || sn.Rows() != 0 {
			t.Errorf("%+v: %+v, %v", c, sn, err)
		}
	}
}

func TestReplayOutlivesARowThatPanics(t *testing.T) {
	w := newWorld(Settings{Dimension: 2})
	w.observe(obs("a", 1, 0), obs("b", 0, 1), obs("c", 1, 1))
	again := newWorld(w.Settings())
	whole := again.table.Load().index
	again.table.Load().index = nil // filling any row panics
	if err := again.Replay(w.frames[0]); err != nil {
		t.Fatal(err)
	}
	again.table.Load().index = whole
	if st := again.Stats(); st.Generation != 3 || st.Quarantined != 3 || st.Live != 3 {
		t.Errorf("%+v", st)
	}
	if out := again.observe(obs("d", 1, 0)); out[0].Generation != 4 {
		t.Errorf("%+v", out)
	}
	mustEqual(t, "found", names(again.ask(t, again.Current(), 10, 1, 0)), []string{"d"})
}

func TestMarksAdvanceOncePerBatch(t *testing.T) {
	w := newWorld(Settings{Dimension: 2})
	bad := &memory.Rejection{Sequence: 2, Reason: "INVALID_ID"}
	b := w.Prepare([]memory.Entry{
		{Session: "one", Incarnation: 1, Sequence: 1, Observation: obs("a", 1, 0)},
		{Session: "one", Incarnation: 1, Sequence: 2, Rejection: bad},
	}, nil)
	w.Begin(b)
	w.Apply(b, 1)
	w.Publish(b)
	w.Publish(b) // entry by entry, after a panic
	m := w.Marks()[0]
	if m.Rejected != 1 || len(m.Rejections) != 1 || m.Durable != 2 {
		t.Errorf("%+v", m)
	}
}

func TestSessionMarks(t *testing.T) {
	w := newWorld(Settings{Dimension: 2})
	e := func(seq memory.Sequence, o *memory.Observation, r *memory.Rejection) memory.Entry {
		return memory.Entry{Session: "sess-1", Incarnation: 5, Sequence: seq, Observation: o, Rejection: r}
	}
	bad := &memory.Rejection{Sequence: 2, Reason: "INVALID_FIELD", Message: "why"}
	w.take(e(1, obs("", 1, 0), nil), e(2, nil, bad), e(3, obs("", 0, 1), nil))
	again := w.take(e(3, obs("", 0, 1), nil))
	if !again[0].Duplicate || w.Current().Generation != 2 {
		t.Fatalf("a number below the mark was applied again: %+v at %d", again[0], w.Current().Generation)
	}
	for _, sp := range []*world{w, w.replayed(t)} {
		m := sp.Marks()
		if len(m) != 1 || m[0].Durable != 3 || m[0].Generation != 2 || len(m[0].Rejections) != 1 || m[0].Rejections[0] != *bad {
			t.Fatalf("marks: %+v", m)
		}
	}
}

func TestConsistency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(Settings{Dimension: 2, History: time.Minute})
		w.observe(obs("a", 1, 0))
		at1 := w.clock.Now()
		w.clock.Advance(10 * time.Second)
		w.observe(obs("b", 1, 0))

		pin := func(c Consistency) (memory.Generation, fault.Reason) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			sn, err := w.Pin(ctx, c)
			if err != nil {
				var f *fault.Error
				if !errors.As(err, &f) {
					t.Fatalf("untyped error %v", err)
				}
				return 0, f.Reason
			}
			return sn.Generation, ""
		}
		check := func(c Consistency, want memory.Generation, reason fault.Reason) {
			t.Helper()
			if g, r := pin(c); g != want || r != reason {
				t.Fatalf("%+v: generation %d %s, want %d %s", c, g, r, want, reason)
			}
		}
		check(Consistency{}, 2, "")
		check(Consistency{Mode: At, Generation: 1}, 1, "")
		check(Consistency{Mode: At, Generation: 3}, 0, fault.GenerationAhead)
		check(Consistency{Mode: AsOf, Time: at1}, 1, "")
		check(Consistency{Mode: AsOf, Time: at1.Add(-time.Hour)}, 0, "")
		check(Consistency{Mode: AtLeast, Generation: 2}, 2, "")
		check(Consistency{Mode: AtLeast, Generation: 3}, 0, fault.Deadline)
		w.clock.Advance(2 * time.Minute)
		check(Consistency{Mode: At, Generation: 1}, 0, fault.GenerationExpired)
		check(Consistency{Mode: At, Generation: 2}, 2, "")

		done := make(chan memory.Generation, 1)
		go func() {
			sn, err := w.Pin(t.Context(), Consistency{Mode: AtLeast, Generation: 4})
			if err != nil {
				t.Error(err)
			}
			done <- sn.Generation
		}()
		synctest.Wait()
		w.observe(obs("c", 1, 0))
		synctest.Wait()
		select {
		case g := <-done:
			t.Fatalf("woke at %d", g)
		default:
		}
		w.forget("a")
		mustEqual(t, "waited for", <-done, 4)
	})
}

func TestExpiryIsFixedAtTheStart(t *testing.T) {
	w := newWorld(Settings{Dimension: 2})
	o := obs("a", 1, 0)
	o.ExpiresAt = w.clock.Now().Add(time.Second)
	w.observe(o, obs("b", 1, 0.1))
	mustEqual(t, "before", names(w.ask(t, w.Current(), 5, 1, 0)), []string{"a", "b"})
	w.clock.Advance(time.Second)
	mustEqual(t, "after", names(w.ask(t, w.Current(), 5, 1, 0)), []string{"b"})
}

func TestQuarantinedRowsAreReadableAndNotRecalled(t *testing.T) {
	w := newWorld(Settings{Dimension: 2})
	b := w.Prepare([]memory.Entry{{Incarnation: 1, Sequence: 1, Observation: obs("a", 1, 0)}, {Incarnation: 1, Sequence: 2, Observation: obs("b", 1, 0)}}, nil)
	w.frames = append(w.frames, b.Frame)
	w.Begin(b)
	w.frames = append(w.frames, w.Quarantine(b, "poison"))
	w.Apply(b, b.Rows())
	w.Publish(b)
	early := w.Prepare([]memory.Entry{{Incarnation: 1, Sequence: 3, Observation: obs("c", 1, 0)}}, func(int) string { return "poison too" })
	w.frames = append(w.frames, early.Frame)
	w.Begin(early)
	w.Apply(early, 1)
	w.Publish(early)
	for _, sp := range []*world{w, w.replayed(t)} {
		mustEqual(t, "recalled", names(sp.ask(t, sp.Current(), 5, 1, 0)), []string{"b"})
		found, missing, _, err := sp.Get([]memory.ObservationID{"a", "b", "c", "d"})
		if err != nil || len(found) != 3 || len(missing) != 1 {
			t.Fatalf("found %+v, missing %v, %v", found, missing, err)
		}
		mustEqual(t, "reasons", []string{found[0].Quarantine, found[1].Quarantine, found[2].Quarantine}, []string{"poison", "", "poison too"})
		mustEqual(t, "generation", sp.Current().Generation, 3)
	}
}

func TestFilters(t *testing.T) {
	for _, threshold := range []int{1 << 30, 0} {
		w := newWorld(Settings{Dimension: 2, IndexThreshold: threshold})
		for i := range 300 {
			o := obs("", 1, float32(i)/100)
			o.Metadata = map[string]any{"parity": []string{"even", "odd"}[i%2], "n": float64(i)}
			w.observe(o)
		}
		w.indexAll()
		odd := predicate(t, filter.Expr{All: []filter.Clause{{Key: "metadata.parity", Op: filter.Equals, Values: []any{"odd"}}}})
		hits := w.question(t, w.Current(), &Question{Vector: []float32{1, 0}, Limit: 200, Filter: odd})
		if len(hits) != 150 {
			t.Fatalf("threshold %d: %d hits, want 150", threshold, len(hits))
		}
		for _, h := range hits {
			if h.Observation.Metadata["parity"] != "odd" {
				t.Fatalf("a row that does not match: %+v", h.Observation.Metadata)
			}
		}
		ranged := predicate(t, filter.Expr{All: []filter.Clause{{Key: "metadata.n", Op: filter.Range, Min: &filter.Bound{Value: 100.0}, Max: &filter.Bound{Value: 110.0, Exclusive: true}}}})
		if hits := w.question(t, w.Current(), &Question{Vector: []float32{1, 0}, Limit: 50, Filter: ranged}); len(hits) != 10 {
			t.Fatalf("threshold %d: %d hits in the range, want 10", threshold, len(hits))
		}
	}
}

func TestRetention(t *testing.T) {
	w := newWorld(Settings{Dimension: 2, Retention: Retention{MaxObservations: 3, MaxAge: time.Hour}})
	for _, id := range []string{"a", "b", "c", "d"} {
		w.observe(obs(id, 1, 0))
		w.clock.Advance(time.Minute)
	}
	retire := func() int {
		f, gens := w.PrepareRetention()
		if f == nil {
			return 0
		}
		w.ApplyForget(f, gens)
		return len(gens)
	}
	mustEqual(t, "over the count", retire(), 1)
	mustEqual(t, "nothing more", retire(), 0)
	w.clock.Advance(58 * time.Minute)
	mustEqual(t, "over the age", retire(), 1)
	mustEqual(t, "left", names(w.ask(t, w.Current(), 5, 1, 0)), []string{"c", "d"})
}
