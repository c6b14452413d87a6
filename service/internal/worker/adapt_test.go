package worker

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/queue"
)

func TestBatchesAdapt(t *testing.T) {
	cases := []struct {
		name        string
		fixed, each time.Duration
		want        func(sizes []int) bool
	}{
		{"quick batches grow to the limit", time.Millisecond, 0, func(s []int) bool { return slices.Max(s) == 200 }},
		{"a slow fsync alone shrinks nothing", time.Second, 0, func(s []int) bool { return slices.Max(s) == 200 }},
		{"slow items keep batches small", 0, 2 * time.Millisecond, func(s []int) bool {
			return slices.Max(s[len(s)/2:]) < 64 && slices.Min(s[:len(s)-1]) >= 10
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &recorder{before: func(_ memory.SpaceID, batch []*queue.Item) error {
					time.Sleep(c.fixed + time.Duration(len(batch))*c.each) // the bubble's clock: it takes no time
					return nil
				}}
				p := start(t, Config{Workers: 1, BatchMin: 10, BatchMax: 200, TargetBatch: 20 * time.Millisecond}, r)
				p.send(items("garden", "a", 1, 4000))
				drain(t, p)
				if !c.want(r.batches) {
					t.Errorf("sizes %v", r.batches)
				}
			})
		})
	}
}

func TestUtilization(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{before: func(memory.SpaceID, []*queue.Item) error {
			time.Sleep(3 * time.Second)
			return nil
		}}
		p := start(t, Config{Workers: 1}, r)
		for i := range 40 { // three seconds of four
			p.send(items("garden", "a", memory.Sequence(i+1), memory.Sequence(i+1)))
			time.Sleep(4 * time.Second)
		}
		if u := p.Stats()[0].Utilization; math.Abs(u-.75) > .1 {
			t.Errorf("utilization %.2f, want about 0.75", u)
		}
		time.Sleep(2 * time.Minute)
		if u := p.Stats()[0].Utilization; u > .01 {
			t.Errorf("utilization %.2f after two idle minutes", u)
		}
	})
}
