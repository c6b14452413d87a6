//go:build failpoints

package scenario

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	engram "github.com/engram-stream/engram/sdk/go"
)

// Of 10,000 observations each is recalled as soon as its VISIBLE ack is heard,
// while the graph is built beside: none is missed. The next are sent when those
// before have been asked for, so that no recall comes late.
func TestEachIsFoundRightAfterItsVisibleAck(t *testing.T) {
	const total, round, askers, dim = 10_000, 40, 4, 16
	s := start(t, "", "--space-index-threshold", "2000")
	c, ctx := s.dial()
	data := vectors(9, total, dim)
	type ack struct{ number, generation uint64 }
	heard := make(chan ack, total)
	told := uint64(0) // acks come from one goroutine
	sess, err := c.OpenSession(ctx, "seen", engram.OnAck(func(l engram.Level, through, generation uint64) {
		for l == engram.Visible && told < through {
			told++
			heard <- ack{told, generation}
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	var asked, asking sync.WaitGroup
	var found atomic.Int64
	for range askers {
		asking.Go(func() {
			for a := range heard {
				r, err := c.Recall(ctx, "seen", engram.ByVector(data[a.number-1]), engram.Limit(1))
				switch {
				case err != nil:
					t.Errorf("recall of number %d: %v", a.number, err)
				case r.Generation < a.generation:
					t.Errorf("number %d was acked VISIBLE at generation %d and asked for at %d", a.number, a.generation, r.Generation)
				case len(r.Results) == 0 || r.Results[0].Observation.ID != fmt.Sprintf("n-%d", a.number):
					t.Errorf("number %d was acked VISIBLE at generation %d and is missed at %d: %+v", a.number, a.generation, r.Generation, r.Results)
				default:
					found.Add(1)
				}
				asked.Done()
			}
		})
	}
	for i := 0; i < total && !t.Failed(); i += round {
		asked.Add(round)
		for j := i; j < i+round; j++ {
			if _, err := sess.Observe(ctx, engram.Observation{ID: fmt.Sprintf("n-%d", j+1), Vector: data[j]}); err != nil {
				t.Fatal(err)
			}
		}
		asked.Wait()
	}
	close(heard)
	asking.Wait()
	if n := found.Load(); n != total && !t.Failed() {
		t.Errorf("%d of %d were found", n, total)
	}
	if _, err := sess.Close(ctx); err != nil {
		t.Error(err)
	}
	s.stop()
}
