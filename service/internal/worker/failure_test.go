package worker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/queue"
)

// TestOrderHoldsUnderPanics lets batches panic at random while several sessions
// of several spaces are fed at once: everything comes out once, in order.
func TestOrderHoldsUnderPanics(t *testing.T) {
	const spaces, sessions, each = 5, 3, 120
	var calls atomic.Uint64
	r := &recorder{before: func(space memory.SpaceID, batch []*queue.Item) error {
		h := fnv.New32a()
		fmt.Fprintf(h, "%d %s", calls.Add(1), space)
		if h.Sum32()%4 == 0 {
			panic("a stumble")
		}
		return nil
	}}
	p := start(t, Config{Workers: 4, BatchMin: 1, BatchMax: 16}, r)
	var feeding sync.WaitGroup
	for sp := range spaces {
		for se := range sessions {
			feeding.Go(func() {
				space, session := memory.SpaceID(fmt.Sprintf("space-%d", sp)), memory.SessionID(fmt.Sprintf("session-%d-%d", sp, se))
				for s := memory.Sequence(1); s <= each; s += 6 {
					p.send(items(space, session, s, s+5))
				}
			})
		}
	}
	feeding.Wait()
	drain(t, p)
	next := map[memory.SessionID]memory.Sequence{}
	for _, it := range r.done {
		if next[it.Session]++; it.Sequence != next[it.Session] {
			t.Fatalf("%s: number %d came, want %d", it.Session, it.Sequence, next[it.Session])
		}
	}
	if len(r.done) != spaces*sessions*each || r.overlaps != 0 {
		t.Errorf("%d of %d came out, %d overlaps", len(r.done), spaces*sessions*each, r.overlaps)
	}
	r.finishedOnce(t, spaces*sessions*each)
	if s := p.totals(); s.Restarts == 0 || s.Panics < s.Restarts {
		t.Errorf("no worker was restarted: %+v", s)
	}
}

func TestPoisonIsQuarantinedAlone(t *testing.T) {
	tries := 0
	r := &recorder{before: func(_ memory.SpaceID, batch []*queue.Item) error {
		for _, it := range batch {
			if it.Sequence == 3 {
				tries++
				panic("indigestible")
			}
		}
		return nil
	}}
	p := start(t, Config{Workers: 2, Attempts: 2}, r)
	p.send(items("garden", "mole", 1, 5))
	drain(t, p)
	if got := r.sequences("garden"); !slices.Equal(got, []memory.Sequence{1, 2, 3, 4, 5}) {
		t.Errorf("order %v: quarantine must keep the number's place", got)
	}
	if len(r.reasons) != 1 {
		t.Fatalf("%d were quarantined, want 1", len(r.reasons))
	}
	for it, why := range r.reasons {
		if it.Sequence != 3 || !strings.Contains(why, "indigestible") {
			t.Errorf("number %d was quarantined because %q", it.Sequence, why)
		}
	}
	r.finishedOnce(t, 5)
	if tries != 3 { // once in the batch, twice alone
		t.Errorf("tried %d times, want 3", tries)
	}
	if s := p.totals(); s.Restarts != 1 || s.Panics != 3 {
		t.Errorf("%+v, want one restart and three panics", s)
	}
}

func TestErrorIsFinal(t *testing.T) {
	gone := errors.New("the disk is gone")
	r := &recorder{before: func(_ memory.SpaceID, batch []*queue.Item) error {
		if batch[0].Sequence == 1 {
			return gone
		}
		return nil
	}}
	p := start(t, Config{Workers: 1, BatchMin: 2, BatchMax: 2}, r)
	p.send(items("garden", "mole", 1, 6))
	drain(t, p)
	p.send(items("attic", "mouse", 2, 3)) // later, elsewhere, and sound by itself
	drain(t, p)
	if len(r.abandoned) != 8 || len(r.done) != 0 {
		t.Errorf("%d abandoned, %d done; want all 8 abandoned", len(r.abandoned), len(r.done))
	}
	r.finishedOnce(t, 8)
}

func TestQuarantineThatFailsIsFinal(t *testing.T) {
	for name, quarantine := range map[string]func(*queue.Item) error{
		"error": func(*queue.Item) error { return errors.New("the disk is gone") },
		"panic": func(*queue.Item) error { panic("no better") },
	} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{
				before:     func(memory.SpaceID, []*queue.Item) error { panic("indigestible") },
				quarantine: quarantine,
				abandon:    func([]*queue.Item) { panic("and nobody listens") },
			}
			p := start(t, Config{Workers: 1}, r)
			p.send(items("garden", "mole", 1, 3))
			drain(t, p)
			if len(r.abandoned) != 3 || len(r.done) != 0 {
				t.Errorf("%d abandoned, %d done; want 3 and 0", len(r.abandoned), len(r.done))
			}
			r.finishedOnce(t, 3)
		})
	}
}

// TestEveryPanicLeavesItsStack: of whatever panics, the batch, an item alone,
// its quarantine or the telling of its owner, the log says where.
func TestEveryPanicLeavesItsStack(t *testing.T) {
	var log bytes.Buffer // written by the one worker, read after it has ended
	r := &recorder{
		before:     func(memory.SpaceID, []*queue.Item) error { panic("indigestible") },
		quarantine: func(*queue.Item) error { panic("no better") },
		abandon:    func([]*queue.Item) { panic("nobody listens") },
	}
	p := New(Config{Workers: 1, Attempts: 1, Log: slog.New(slog.NewJSONHandler(&log, nil))}, queue.New(queue.Config{}), r, nil)
	p.Start()
	p.send(items("garden", "mole", 1, 1))
	drain(t, p)
	p.Stop()
	stacks := map[string]int{}
	for line := range strings.Lines(log.String()) {
		var rec struct{ Panic, Stack string }
		if err := json.Unmarshal([]byte(line), &rec); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(rec.Stack, "failure_test.go") {
			stacks[rec.Panic]++
		}
	}
	want := map[string]int{"indigestible": 2, "no better": 1, "nobody listens": 1} // in the batch and alone
	if !maps.Equal(stacks, want) {
		t.Errorf("stacks of %v are in the log, want %v", stacks, want)
	}
}
