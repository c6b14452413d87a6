package engine

import (
	"errors"
	"fmt"
	"testing"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/queue"
	"github.com/engram-stream/engram/service/internal/space"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// A call whose last observation asks for a faster lane than the others is
// answered when all are kept, with the ids in their places.
func TestACallWithMixedPriorities(t *testing.T) {
	e := start(t, vfs.NewMem(1), nil)
	defer closeEngine(t, e)
	for round := range 20 {
		var in []Incoming
		for i := range 6 {
			o := text(fmt.Sprintf("id-%d-%d", round, i), fmt.Sprintf("note %d of round %d", i, round))
			o.Observation.Priority = memory.LaneNormal
			if i%3 == 2 {
				o.Observation.Priority, o.HasPriority = memory.LaneHigh, true
			}
			in = append(in, o)
		}
		k, err := e.Observe(t.Context(), Batch{Space: "notes", In: in, Wait: memory.AckVisible, Lane: memory.LaneNormal})
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range k.IDs {
			if want := fmt.Sprintf("id-%d-%d", round, i); string(id) != want {
				t.Fatalf("id %d of round %d is %q, want %q", i, round, id, want)
			}
		}
		if len(k.IDs) != 6 || k.Generation != memory.Generation(6*(round+1)) {
			t.Fatalf("%+v", k)
		}
	}
	for _, w := range e.pool.Stats() {
		if w.Panics != 0 {
			t.Errorf("a worker panicked %d times", w.Panics)
		}
	}
}

// An observation that cannot even be encoded is rejected; those beside it, and
// after it, are kept.
func TestWhatCannotBeEncodedIsRejected(t *testing.T) {
	e := start(t, vfs.NewMem(1), nil)
	defer closeEngine(t, e)
	if _, err := e.Observe(t.Context(), Batch{Space: "notes", In: []Incoming{text("a", "first")}, Wait: memory.AckVisible}); err != nil {
		t.Fatal(err)
	}
	in := []Incoming{text("b", "second"), text("c", "third"), text("d", "fourth")}
	sl := e.registry.lookup("notes")
	if _, f := e.embedAll(t.Context(), sl.space, in, 1); f != nil {
		t.Fatal(f)
	}
	n, size := len(in), sizeOf(in)
	ticket, f := e.monitor.AdmitCall(memory.LaneNormal, n, size)
	if f != nil {
		t.Fatal(f)
	}
	c := newCall(1, n, ticket, memory.AckIndexed)
	items := itemsOf("notes", "", 1, memory.LaneNormal, &delivery{slot: sl, call: c}, in, 1, nil)
	items[1].Observation = nil // neither observation nor rejection: Prepare panics
	e.queue.Push(items)
	e.pool.Notify("notes")
	out, gen, err := c.await(t.Context())
	if err != nil || gen != 3 {
		t.Fatalf("generation %d, %v", gen, err)
	}
	if out[0].ID != "b" || out[2].ID != "d" || out[1].Rejection == nil || out[1].Rejection.Reason != string(fault.Bug) {
		t.Errorf("%+v", out)
	}
	if e.State() != Serving {
		t.Errorf("state %v", e.State())
	}
}

// What a stream that was taken over is still granted is not told to the one
// that took over, and its places come free before it has gone.
func TestTakeOverEndsTheGrantOfTheFirst(t *testing.T) {
	e := start(t, vfs.NewMem(1), nil)
	defer closeEngine(t, e)
	first, err := e.Open(t.Context(), OpenStream{Space: "notes", Lane: memory.LaneNormal})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Observe(t.Context(), 1, []Incoming{text("", "one")}); err != nil {
		t.Fatal(err)
	}
	s := first.Session()
	second, err := e.Open(t.Context(), OpenStream{Space: "notes", Session: s.ID()})
	if err != nil {
		t.Fatal(err)
	}
	first.Resume() //nolint:errcheck // it is void; what counts is that its grant does not grow
	if _, err := s.Wait(t.Context(), memory.AckVisible, 1); err != nil {
		t.Fatal(err)
	}
	if told, granted := s.Info().Credits, second.account.Credits(); told != granted {
		t.Errorf("the session tells %+v, the stream is granted %+v", told, granted)
	}
	if c := first.account.Credits(); c.Through > 1 {
		t.Errorf("the first is still granted %+v", c)
	}
	first.Close()
	if err := second.Observe(t.Context(), 2, []Incoming{text("", "two")}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Wait(t.Context(), memory.AckVisible, 2); err != nil {
		t.Fatal(err)
	}
	second.Close()
}

// A batch that is more than the bytes granted gets in part by part.
func TestABatchLargerThanItsBytesGetsIn(t *testing.T) {
	e := start(t, vfs.NewMem(1), func(o *Options) {
		o.Queue.Lanes[memory.LaneNormal] = queue.Capacity{Items: 1000, Bytes: 128 << 10}
	})
	defer closeEngine(t, e)
	st, err := e.Open(t.Context(), OpenStream{Space: "notes", Lane: memory.LaneNormal})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	const n = 8
	var next memory.Sequence = 1
	for rounds := 0; next <= n; rounds++ {
		if rounds > 2*n {
			t.Fatalf("%d rounds, and number %d is still to come", rounds, next)
		}
		var in []Incoming
		for i := next; i <= n; i++ {
			o := text("", fmt.Sprintf("note %d", i))
			o.Bytes = 60 << 10
			in = append(in, o)
		}
		if err := st.Observe(t.Context(), next, in); err != nil {
			t.Fatal(err)
		}
		next = st.Session().Info().Next
		if _, err := st.Session().Wait(t.Context(), memory.AckVisible, next-1); err != nil {
			t.Fatal(err)
		}
	}
}

// A text is no mistake in a space that nothing was observed in yet.
func TestRecallByTextBeforeTheFirstObservation(t *testing.T) {
	e := start(t, vfs.NewMem(1), nil)
	defer closeEngine(t, e)
	if _, _, err := e.CreateSpace(t.Context(), NewSpace{ID: "notes"}); err != nil {
		t.Fatal(err)
	}
	if found := ask(t, e, "notes", "anything"); len(found) != 0 {
		t.Errorf("%v", found)
	}
}

// A session that is opened while its space is being deleted is not tied to a
// space that is gone.
func TestASessionOpenedDuringADeletion(t *testing.T) {
	e := start(t, vfs.NewMem(1), nil)
	defer closeEngine(t, e)
	b := Batch{Space: "notes", Session: "tab-1", First: 1, In: []Incoming{text("", "one")}, Wait: memory.AckVisible, Lane: memory.LaneNormal}
	sl, err := e.open(t.Context(), "notes", false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.DeleteSpace(t.Context(), "notes"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.observeInSession(t.Context(), sl, b); reasonOf(err) != fault.SpaceDeleted {
		t.Fatalf("in the space that is gone: %v", err)
	}
	b.In = []Incoming{text("", "one")}
	if k, err := e.Observe(t.Context(), b); err != nil || k.Next != 2 {
		t.Errorf("in its successor: %+v, %v", k, err)
	}
}

// A watcher that is behind is not sent what was forgotten meanwhile.
func TestAWatcherIsNotSentWhatIsForgotten(t *testing.T) {
	e := start(t, vfs.NewMem(1), nil)
	defer closeEngine(t, e)
	observe := func(from, to int) {
		var in []Incoming
		for i := from; i < to; i++ {
			in = append(in, text(fmt.Sprintf("id-%d", i), fmt.Sprintf("note %d", i)))
		}
		if _, err := e.Observe(t.Context(), Batch{Space: "notes", In: in, Wait: memory.AckVisible, Lane: memory.LaneNormal}); err != nil {
			t.Fatal(err)
		}
	}
	observe(0, 150)
	since, enough, first := memory.Generation(0), errors.New("enough"), true
	err := e.Watch(t.Context(), "notes", &since, filter.Expr{}, func(found []space.Stored, through memory.Generation) error {
		if first {
			first = false
			for i := 150; i < 650; i += 100 { // the table outgrows what the watcher looks at
				observe(i, i+100)
			}
			if _, _, err := e.Forget(t.Context(), "notes", []memory.ObservationID{"id-120"}, filter.Expr{}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range found {
			if found[i].Observation.ID == "id-120" {
				t.Error("it was sent what was forgotten")
			}
		}
		if through >= 651 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
}
