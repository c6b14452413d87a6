package engine

import (
	"context"
	"runtime"
	"testing"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/session"
	"github.com/engram-stream/engram/service/internal/vfs"
)

func TestABacklogOfTheGraphKeepsAWaiterPerSession(t *testing.T) {
	var w indexWaiters
	sessions := []*session.Session{new(session.Session), new(session.Session), new(session.Session)}
	const each = maxIndexWaiters
	waits := &delivery{call: &call{level: memory.AckIndexed}}
	w.add(waits, 1, 1, nil)
	w.add(&delivery{call: &call{level: memory.AckVisible}}, 1, 1, nil) // waits for nothing here
	if len(w.list) != 1 {
		t.Fatalf("%d waiters, want the one that waits", len(w.list))
	}
	for i := range each {
		for _, s := range sessions {
			// Every call is a delivery of its own.
			w.add(&delivery{session: s, call: &call{level: memory.AckDurable}}, memory.Sequence(i), memory.Generation(3*i+2), nil)
		}
		if len(w.list) > maxIndexWaiters+4 {
			t.Fatalf("%d waiters", len(w.list))
		}
	}
	newest := map[*session.Session]memory.Sequence{}
	last := memory.Generation(0)
	told := false
	for _, x := range w.through(1 << 62) {
		if x.gen < last {
			t.Fatalf("generation %d after %d", x.gen, last)
		}
		last = x.gen
		told = told || x.owner == waits
		if x.owner.session != nil {
			newest[x.owner.session] = x.seq
		}
	}
	for i, s := range sessions {
		if newest[s] != each-1 {
			t.Errorf("session %d hears of %d, want %d", i, newest[s], each-1)
		}
	}
	if !told {
		t.Error("a call that waits is not told")
	}
}

// Nobody builds the graph of a space that was deleted, and a call that waits for
// it is told.
func TestTheGraphOfADeletedSpaceIsNotBuilt(t *testing.T) {
	e := start(t, vfs.NewMem(1), func(o *Options) { o.Space.IndexThreshold = -1 })
	defer closeEngine(t, e)
	e.indexer.close() // this test is the index worker
	waiting := make(chan error, 1)
	go func() {
		_, err := e.Observe(context.Background(), Batch{Space: "notes", Lane: memory.LaneNormal, Wait: memory.AckIndexed, In: []Incoming{vec(1, 0), vec(0, 1)}})
		waiting <- err
	}()
	if _, err := e.Observe(t.Context(), Batch{Space: "kept", Lane: memory.LaneNormal, Wait: memory.AckVisible, In: []Incoming{vec(1, 0)}}); err != nil {
		t.Fatal(err)
	}
	for e.Status().Live < 3 { // nothing else tells; bounded by the test's own deadline
		runtime.Gosched()
	}
	notes, kept := e.registry.lookup("notes"), e.registry.lookup("kept")
	if n, err := e.DeleteSpace(t.Context(), "notes"); err != nil || n != 2 {
		t.Fatalf("%d, %v", n, err)
	}
	if err := <-waiting; reasonOf(err) != fault.SpaceDeleted {
		t.Errorf("the call ended with %v", err)
	}
	for _, sl := range []*slot{notes, kept} {
		if e.moveRows(sl, func() {}) {
			t.Errorf("%q has more to do", sl.space.ID())
		}
	}
	if n, left := notes.space.Current().Unindexed(), kept.space.Current().Unindexed(); n != 2 || left != 0 {
		t.Errorf("%d rows of the deleted space wait, want both; %d of the other, want none", n, left)
	}
}
