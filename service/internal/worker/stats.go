package worker

import (
	"math"
	"sync"
	"time"
)

// Stats is one worker in numbers.
type Stats struct {
	ID int
	// Utilization is the share of its time spent on batches, averaged over
	// about ten seconds, 0..1.
	Utilization                       float64
	Batches, Stolen, Panics, Restarts uint64
}

// Stats returns the numbers of every worker.
func (p *Pool) Stats() []Stats {
	out := make([]Stats, len(p.workers))
	for i, w := range p.workers {
		out[i] = Stats{
			ID: i, Utilization: w.load.read(), Batches: w.batches.Load(), Stolen: w.steals.Load(),
			Panics: w.panics.Load(), Restarts: w.restarts.Load(),
		}
	}
	return out
}

// utilizationSpan is the time over which utilization is averaged.
const utilizationSpan = 10 * time.Second

// utilization is an exponentially weighted average of busy and idle.
type utilization struct {
	mu    sync.Mutex
	value float64
	now   bool
	since time.Time
}

func (u *utilization) busy(b bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.advance()
	u.now = b
}

func (u *utilization) read() float64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.advance()
	return u.value
}

func (u *utilization) advance() {
	at := time.Now()
	if !u.since.IsZero() {
		target := 0.0
		if u.now {
			target = 1
		}
		u.value += (target - u.value) * (1 - math.Exp(-at.Sub(u.since).Seconds()/utilizationSpan.Seconds()))
	}
	u.since = at
}
