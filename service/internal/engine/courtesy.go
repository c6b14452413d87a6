package engine

import (
	"runtime"
	"runtime/metrics"
	"time"
)

const (
	// lookEvery is how often an index worker, or a checkpoint's round, looks whether
	// others wait for a processor, and so about how long these wait.
	lookEvery = 100 * time.Microsecond
	// pollEvery is how often it lets go of its processor when all are busy:
	// what comes over the network is noticed by one that is free.
	pollEvery = 500 * time.Microsecond
	// rest is how long it sleeps then. The scheduler makes it a millisecond if
	// there is nothing to do meanwhile.
	rest = 20 * time.Microsecond
)

// load is how busy the process is, in goroutines.
type load struct {
	runnable   uint64 // that wait for a processor
	running    uint64 // that have one
	processors int
}

// courtesy is when an index worker, or a checkpoint's round, gives way to
// everything else: to recalls, streams, workers and the network alike. It is one
// goroutine's own.
//
// To yield the processor is not enough. The scheduler puts who yields into the
// global queue, and the processor, having nothing in its own, takes it out again:
// goroutines that wait in the queue of another processor are taken over, and the
// network is asked, only by one that has run out of work. So an index worker that
// only yielded had a processor of two to itself, and everything else shared the
// other. It sleeps instead.
type courtesy struct {
	looked time.Time // when it last looked
	rested time.Time // when it last let go
	// patience is how long others wait for it, if longer than lookEvery.
	patience time.Duration
}

// due reports whether it is time to look again.
func (c *courtesy) due(now time.Time) bool {
	if now.Sub(c.looked) < max(lookEvery, c.patience) {
		return false
	}
	c.looked = now
	return true
}

// yields reports whether to let go of the processor now, under that load.
func (c *courtesy) yields(now time.Time, l load) bool {
	return l.runnable > 0 || l.running >= uint64(l.processors) && now.Sub(c.rested) >= pollEvery
}

// giveWay is called between two rows, say. It costs the look at a clock, and every
// lookEvery a look at the scheduler, which allocates nothing.
func (c *courtesy) giveWay(look func() load) {
	now := time.Now()
	if !c.due(now) || !c.yields(now, look()) {
		return
	}
	time.Sleep(rest)
	c.looked = time.Now()
	c.rested = c.looked
}

// scheduler returns a look at this process's scheduler, for one goroutine.
func scheduler() func() load {
	sample := []metrics.Sample{{Name: "/sched/goroutines/runnable:goroutines"}, {Name: "/sched/goroutines/running:goroutines"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 || sample[1].Value.Kind() != metrics.KindUint64 {
		return func() load { return load{} } // a Go release without them: the kernel has to do
	}
	processors := runtime.GOMAXPROCS(0)
	return func() load {
		metrics.Read(sample)
		return load{runnable: sample[0].Value.Uint64(), running: sample[1].Value.Uint64(), processors: processors}
	}
}
