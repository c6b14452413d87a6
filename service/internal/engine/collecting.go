package engine

import (
	"runtime"
	"runtime/metrics"
	"sync"
	"time"
)

// collectAfter is how long a round's garbage is left to collections that come by
// themselves. While observations stream in, one comes every second or so; when
// nothing happens, none may come for minutes.
const collectAfter = 2 * time.Second

// enoughCycles is how many collections end all that a round let go of: one that
// was under way has seen it in use.
const enoughCycles = 2

// collecting is a collection that is owed since a round: what is read from files
// from then on is of no more use in memory. A collection more, forced under load,
// would be paid for by everything that runs. mu is a leaf.
type collecting struct {
	mu     sync.Mutex
	owed   bool
	since  time.Time
	cycles uint64 // collections there had been
	// A test's, in place of the runtime's; set before the first use.
	count   func() uint64
	collect func()
}

func (c *collecting) completed() uint64 {
	if c.count != nil {
		return c.count()
	}
	return gcCycles()
}

func (c *collecting) run() {
	if c.collect != nil {
		c.collect()
		return
	}
	runtime.GC()
}

// owe notes that a round let go of much.
func (c *collecting) owe(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owed, c.since, c.cycles = true, now, c.completed()
}

// look collects what is owed, unless that was done by others, or may yet be.
func (c *collecting) look(now time.Time) {
	c.mu.Lock()
	due := false
	switch {
	case !c.owed:
	case c.completed() >= c.cycles+enoughCycles:
		c.owed = false
	case now.Sub(c.since) >= collectAfter:
		c.owed, due = false, true
	}
	c.mu.Unlock()
	if due {
		c.run()
	}
}

// atOnce collects for somebody who waits for the memory.
func (c *collecting) atOnce() {
	c.mu.Lock()
	c.owed = false
	c.mu.Unlock()
	c.run()
}

// gcCycles is how many collections the process has completed.
func gcCycles() uint64 {
	sample := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0 // a Go release without it: all that is owed is collected
	}
	return sample[0].Value.Uint64()
}
