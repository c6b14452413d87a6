package worker

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/queue"
)

// gate is a Processor's before that stops at chosen spaces until it is opened.
type gate map[memory.SpaceID]chan struct{}

func (g gate) pass(space memory.SpaceID, _ []*queue.Item) error {
	if c, shut := g[space]; shut {
		<-c
	}
	return nil
}

func TestIdleWorkerSteals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate{}
		r := &recorder{before: g.pass}
		p := New(Config{Workers: 2}, queue.New(queue.Config{}), r, nil)
		slow, quick := p.at(0, 0), p.at(0, 1)
		g[slow] = make(chan struct{})
		p.Start()
		defer p.Stop()
		p.send(items(slow, "a", 1, 1))
		synctest.Wait()
		p.send(items(quick, "b", 1, 1))
		synctest.Wait()
		if got := r.sequences(quick); len(got) != 1 {
			t.Error("a ready space waited for its busy home while another worker was idle")
		}
		if s := p.Stats(); s[1].Stolen != 1 || s[0].Stolen != 0 {
			t.Errorf("stolen: %+v", s)
		}
		close(g[slow])
		drain(t, p)
	})
}

func TestIdleHomeGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, Config{Workers: 4}, &recorder{})
		for i := range 40 {
			synctest.Wait()
			p.send(items(p.at(i%4, i/4), "a", 1, 3))
		}
		drain(t, p)
		for _, s := range p.Stats() {
			if s.Batches != 10 || s.Stolen != 0 {
				t.Errorf("worker %d: %d batches, %d stolen; want its own 10", s.ID, s.Batches, s.Stolen)
			}
		}
	})
}

// TestNothingReadyWaitsForAnybodyIdle blocks all but one worker and makes many
// spaces ready at once, of all homes: the one that is free does them all.
func TestNothingReadyWaitsForAnybodyIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate{}
		r := &recorder{before: g.pass}
		p := New(Config{Workers: 3}, queue.New(queue.Config{}), r, nil)
		for home := range 2 {
			g[p.at(home, 0)] = make(chan struct{})
		}
		p.Start()
		defer p.Stop()
		for space := range g {
			p.send(items(space, "a", 1, 1))
		}
		synctest.Wait()
		for home := range 3 {
			for n := 1; n <= 5; n++ {
				p.send(items(p.at(home, n), "a", 1, 1))
			}
		}
		synctest.Wait()
		if len(r.done) != 15 {
			t.Errorf("%d of 15 are done with a worker idle", len(r.done))
		}
		for _, c := range g {
			close(c)
		}
		drain(t, p)
	})
}

func TestFloodDoesNotStarve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := make(chan struct{})
		g := gate{"flood": first}
		r := &recorder{before: g.pass}
		p := start(t, Config{Workers: 1, BatchMin: 10, BatchMax: 10}, r)
		p.send(items("flood", "a", 1, 1000))
		synctest.Wait()
		p.send(items("trickle", "b", 1, 1))
		close(first)
		drain(t, p)
		at := slices.IndexFunc(r.done, func(it *queue.Item) bool { return it.Space == "trickle" })
		if at != 10 {
			t.Errorf("the small space had its turn after %d items, want after one batch of 10", at)
		}
	})
}

func TestExclusive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate{"garden": make(chan struct{})}
		r := &recorder{before: g.pass}
		p := start(t, Config{Workers: 2, BatchMin: 2, BatchMax: 2}, r)
		p.send(items("garden", "a", 1, 6))
		synctest.Wait()
		var order []string
		call := func(name string, ctx context.Context, want error) {
			go func() {
				err := p.Exclusive(ctx, "garden", func() error {
					defer r.enter("garden")()
					if n := len(r.sequences("garden")); n != 2 {
						t.Errorf("%s ran after %d items, want after the batch in hand", name, n)
					}
					order = append(order, name)
					return want
				})
				if !errors.Is(err, want) {
					t.Errorf("%s: %v, want %v", name, err, want)
				}
			}()
			synctest.Wait()
		}
		given, cancel := context.WithCancel(t.Context())
		call("first", t.Context(), nil)
		call("given up", given, context.Canceled)
		call("second", t.Context(), errors.New("its own error"))
		cancel()
		synctest.Wait()
		close(g["garden"])
		drain(t, p)
		synctest.Wait()
		if !slices.Equal(order, []string{"first", "second"}) || r.overlaps != 0 {
			t.Errorf("order %v, %d overlaps", order, r.overlaps)
		}
		if got := len(r.sequences("garden")); got != 6 {
			t.Errorf("%d of 6 were processed", got)
		}
		if len(p.leases) != 0 {
			t.Errorf("%d leases are kept for idle spaces", len(p.leases))
		}
	})
}

// TestIdleSpacesLeaveNothing: neither a signal without items nor an exclusive
// call on a space that has none leaves a trace of it.
func TestIdleSpacesLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		p := start(t, Config{Workers: 2}, r)
		p.Notify("nothing-there")
		ran := false
		if err := p.Exclusive(t.Context(), "idle", func() error { ran = true; return nil }); err != nil || !ran {
			t.Errorf("on an idle space: %v, ran %v", err, ran)
		}
		synctest.Wait()
		if len(p.leases) != 0 || p.waiting != 0 || len(r.batches) != 0 {
			t.Errorf("%d leases, %d waiting, %d batches for spaces without items", len(p.leases), p.waiting, len(r.batches))
		}
		drain(t, p)
	})
}

func TestExclusiveKeepsBatchesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		p := start(t, Config{Workers: 2}, r)
		err := p.Exclusive(t.Context(), "garden", func() error {
			p.send(items("garden", "a", 1, 3))
			synctest.Wait()
			if len(r.done) != 0 {
				t.Error("a batch ran beside an exclusive call")
			}
			dropped := p.queue.DropSpace("garden")
			p.send(items("garden", "b", 1, 2))
			if len(dropped) != 3 {
				t.Errorf("dropped %d", len(dropped))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		drain(t, p)
		if got := r.sequences("garden"); len(got) != 2 {
			t.Errorf("processed %v, want what came after the drop", got)
		}
	})
}

// TestDrainSeesLateItems: a drain that began before the last items were made
// known must not swallow the signal that was meant for a worker.
func TestDrainSeesLateItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		p := New(Config{Workers: 1}, queue.New(queue.Config{}), r, nil)
		p.queue.Push(items("garden", "a", 1, 3))
		ended := make(chan error, 1)
		go func() { ended <- p.Drain(t.Context()) }()
		synctest.Wait()
		p.Start()
		defer p.Stop()
		synctest.Wait()
		select {
		case <-ended:
			t.Fatal("the drain ended with items in the queue")
		default:
		}
		p.Notify("garden")
		if err := <-ended; err != nil || len(r.done) != 3 {
			t.Errorf("drain: %v with %d of 3 done", err, len(r.done))
		}
	})
}

func TestDrainGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate{"garden": make(chan struct{})}
		p := start(t, Config{Workers: 1}, &recorder{before: g.pass})
		p.send(items("garden", "a", 1, 1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := p.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("drain: %v", err)
		}
		close(g["garden"])
	})
}

func TestStopLeavesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate{"garden": make(chan struct{})}
		r := &recorder{before: g.pass}
		p := New(Config{Workers: 1, BatchMin: 2, BatchMax: 2}, queue.New(queue.Config{}), r, nil)
		p.Start()
		p.send(items("garden", "a", 1, 5))
		synctest.Wait()
		stopped := make(chan struct{})
		go func() { p.Stop(); close(stopped) }()
		synctest.Wait()
		close(g["garden"])
		<-stopped
		if len(r.done) != 2 || p.queue.Len() != 3 {
			t.Errorf("%d done, %d left; want the batch in hand and the rest", len(r.done), p.queue.Len())
		}
	})
}
