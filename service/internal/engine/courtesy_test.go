package engine

import (
	"testing"
	"testing/synctest"
	"time"
)

// An index worker lets go when somebody waits for a processor, at the next look;
// when all are busy, every now and then; and never for nothing.
func TestCourtesy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c courtesy
		looks, now := 0, load{processors: 2, running: 1}
		look := func() load { looks++; return now }
		rests := func(rows int, each time.Duration) (n int) {
			for range rows {
				time.Sleep(each) // a row is inserted
				before := time.Now()
				c.giveWay(look)
				if time.Since(before) > 0 {
					n++
				}
			}
			return n
		}
		if n := rests(1000, 25*time.Microsecond); n != 0 || looks != 250 {
			t.Errorf("a processor is free: %d rests, %d looks in 25 ms", n, looks)
		}
		now.runnable = 1
		if n := rests(1000, 25*time.Microsecond); n != 250 {
			t.Errorf("somebody waits: %d rests in 25 ms", n)
		}
		now = load{processors: 2, running: 2}
		if n := rests(1000, 25*time.Microsecond); n != 50 {
			t.Errorf("all processors are busy: %d rests in 25 ms", n)
		}
		now = load{processors: 3, running: 2}
		if n := rests(1000, 25*time.Microsecond); n != 0 {
			t.Errorf("a processor is free again: %d rests in 25 ms", n)
		}
	})
}

// The scheduler knows the metrics that are asked for, and looking at it costs no
// memory.
func TestTheSchedulerIsSeen(t *testing.T) {
	look := scheduler()
	if l := look(); l.processors < 1 || l.running < 1 {
		t.Errorf("%+v while this test runs", l)
	}
	if n := testing.AllocsPerRun(100, func() { look() }); n != 0 {
		t.Errorf("%v allocations a look", n)
	}
}
