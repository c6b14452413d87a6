package engine

import (
	"testing"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/session"
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
