package engine

import (
	"context"
	"runtime/debug"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/space"
	"github.com/engram-stream/engram/service/internal/telemetry"
)

// MemoryOptions bound the anonymous memory of the process: what the system
// cannot drop and read again from a file.
type MemoryOptions struct {
	// Limit is for all of it, in bytes; 0 is none. Spaces and the queue may take
	// four fifths of it; the rest is for what is under way and for the garbage
	// between two collections.
	Limit int64
	// Space is for each space; 0 is no bound of its own.
	Space int64
	// SetHeapLimit, if not nil, is told what is left for the heap, in bytes.
	SetHeapLimit func(int64) int64
}

// Shares of what spaces may take. From relieve on, memory is given back that
// can be; from warn on, pressure is signalled; at 1 observations are refused
// until it is below resume.
const (
	memoryShare   = 0.8
	memoryRelieve = 0.7
	memoryWarn    = 0.85
	memoryResume  = 0.95
)

const (
	// memoryRound is how soon rounds follow one another that are made to give
	// memory back.
	memoryRound = 2 * time.Second
	// pressedIdle is how long a space has been left alone that falls asleep
	// when memory is short, and lightIdle one that is awake again in no time.
	pressedIdle = 5 * time.Second
	lightIdle   = 10 * time.Second
	// freeBytes is how much memory spaces must have given up for it to be worth
	// a collection, so that the system gets it.
	freeBytes = 32 << 20
	// A round is made for memory when rows that are not in files take one part in
	// roundShare of what there is; with less than one in spareShare, codes go.
	roundShare = 16
	spareShare = 4
	// leastHeap is what the heap is left in any case: a limit below what is in
	// use would do nothing but collect.
	leastHeap = 64 << 20
)

// memoryUse is how memory stands, and what was said of it. The lock is held from
// counting to telling, so that what is told last is what is so; it comes before
// all locks of admission and sessions.
type memoryUse struct {
	mu     sync.Mutex
	level  int // as admission and the log were told
	parts  space.Memory
	used   atomic.Int64  // by spaces and the queue, when last counted
	rows   atomic.Int64  // of it, by rows that are not in files
	tight  atomic.Bool   // memory is to be given back
	round  atomic.Bool   // a round would give some back
	unseen int64         // looks since the last count; housekeeping's own
	due    chan struct{} // sends the checkpointer to look before its time
}

// The levels of memory; they have the numbers of the disk's, see MemoryUse.
const (
	memoryNormal  = int(journal.LevelNormal)
	memoryWarning = int(journal.LevelWarning)
	memoryRefuse  = int(journal.LevelRefuse)
)

// memoryBudget is what spaces and the queue may take together; 0 is no bound.
func (e *Engine) memoryBudget() int64 { return int64(memoryShare * float64(e.opts.Memory.Limit)) }

// watchMemory counts what memory is taken, and tells admission, the heap and the
// log when that calls for something.
func (e *Engine) watchMemory() {
	u := &e.memory
	u.mu.Lock()
	defer u.mu.Unlock()
	var sum space.Memory
	own := false
	for _, sl := range e.registry.all() {
		sl.space.LimitMemory(e.opts.Memory.Space)
		m := sl.space.Memory()
		sum.Add(m)
		if most := e.opts.Memory.Space; most > 0 && float64(m.Total()) > memoryRelieve*float64(most) && m.Rows > most/roundShare {
			own = true
		}
	}
	queue := e.queue.Stats()
	used := sum.Total() + queue.Bytes()
	u.parts = sum
	u.used.Store(used)
	u.rows.Store(sum.Rows)
	if limit := e.opts.Memory.SetHeapLimit; limit != nil && e.opts.Memory.Limit > 0 {
		limit(max(leastHeap, e.opts.Memory.Limit-space.OffHeap()))
	}
	budget := e.memoryBudget()
	share := 0.0
	if budget > 0 {
		share = float64(used) / float64(budget)
	}
	u.tight.Store(own || share >= memoryRelieve)
	u.round.Store(own || share >= memoryRelieve && sum.Rows > budget/roundShare)
	level := memoryNormal
	switch {
	case share >= 1, u.level == memoryRefuse && share >= memoryResume:
		level = memoryRefuse
	case share >= memoryWarn:
		level = memoryWarning
	}
	e.monitor.SetExternal("memory", [...]float64{0, 0.7, 1}[level])
	if level == u.level {
		return
	}
	log := e.opts.Log.With("used_bytes", used, "budget_bytes", budget, "rows", sum.Rows, "codes", sum.Codes, "graphs", sum.Graph, "ids", sum.IDs)
	switch {
	case level == memoryRefuse:
		log.Error("memory is full: new observations are refused until some is given back")
	case u.level == memoryRefuse:
		log.Warn("there is memory again: new observations are taken")
	case level == memoryWarning:
		log.Warn("memory is filling up")
	default:
		log.Info("there is memory")
	}
	u.level = level
}

// mindMemory is watchMemory for housekeeping: it sends the checkpointer, which
// gives back what can be given back.
func (e *Engine) mindMemory() {
	e.watchMemory()
	if !e.memory.tight.Load() {
		return
	}
	select {
	case e.memory.due <- struct{}{}:
	default: // sent already
	}
}

// glance is mindMemory in the midst of a stream, of which the count is told
// every megabyte: a fast one must not pass all watermarks between two looks.
// Counting visits every space, so it does that only when enough was written.
func (u *memoryUse) glance(e *Engine) {
	budget := e.memoryBudget()
	if budget <= 0 {
		return
	}
	if u.unseen++; u.unseen*lookBytes < budget/32 {
		return
	}
	u.unseen = 0
	e.mindMemory()
}

// memoryRoundDue reports whether a checkpoint is to be made for the memory that
// comes free with it: rows that are in files need none.
func (e *Engine) memoryRoundDue(now, last time.Time) bool {
	return e.memory.round.Load() && now.Sub(last) >= memoryRound && e.anyDirty()
}

// giveBack gives back what memory can be given back without losing anything,
// after a checkpoint was made: the rows of spaces that nobody uses, then codes.
// When there is room again for codes, they may be made again. It is called by
// the checkpointer alone.
func (e *Engine) giveBack(ctx context.Context) {
	u, budget, most := &e.memory, float64(e.memoryBudget()), float64(e.opts.Memory.Space)
	slots := e.registry.all()
	over := func(share, extra float64) bool { return budget > 0 && float64(u.used.Load())+extra > share*budget }
	if u.tight.Load() {
		e.watchMemory()
		if over(memoryRelieve, 0) {
			e.hibernateAfter(ctx, pressedIdle)
			e.watchMemory()
		}
		sort.Slice(slots, func(i, j int) bool { return slots[i].space.MemoryNow() > slots[j].space.MemoryNow() })
	}
	freed, again := int64(0), false
	for _, sl := range slots {
		now, codes := float64(sl.space.MemoryNow()), float64(sl.spared)
		// As long as a round gives rows back, codes stay: making them again takes
		// long, and doing without makes all of it slower.
		short := over(memoryResume, 0) && float64(u.rows.Load()) < budget/spareShare
		if most > 0 && now > memoryResume*most {
			short = short || float64(sl.space.Memory().Rows) < most/spareShare
		}
		switch {
		case short:
			if n := sl.space.SpareCodes(true); n > 0 {
				sl.spared = n
				freed += n
				u.used.Add(-n)
				e.opts.Log.Warn("memory is short: codes dropped, recalls are slower", "space", sl.space.ID(), "bytes", n)
			}
		// Also where there were no codes yet, and so none to drop.
		case (sl.spared > 0 || sl.space.SparesCodes()) && !over(memoryRelieve, codes) && (most == 0 || now+codes < memoryRelieve*most):
			sl.spared, again = 0, true
			u.used.Add(int64(codes))
			sl.space.SpareCodes(false)
			e.wantIndex(sl)
		}
	}
	if freed >= freeBytes {
		debug.FreeOSMemory()
	}
	if freed > 0 || again {
		e.watchMemory()
	}
}

// MemoryUse is what memory is taken.
type MemoryUse struct {
	Parts  space.Memory  // of all spaces
	Queue  int64         // of the queue
	Used   int64         // by spaces and the queue, as last counted
	Budget int64         // for these; 0 is no bound
	Limit  int64         // of the process; 0 is none
	Level  journal.Level // how it stands to its watermarks, in the words of the disk's
}

// memoryReading is memoryUse as gauges show it.
func (e *Engine) memoryReading() telemetry.MemoryReading {
	u := e.memoryUse()
	return telemetry.MemoryReading{Budget: u.Budget, Limit: u.Limit, Used: map[string]int64{
		"rows": u.Parts.Rows, "ids": u.Parts.IDs, "codes": u.Parts.Codes, "graphs": u.Parts.Graph, "filters": u.Parts.Filter, "spaces": u.Parts.Rest,
		"queue": u.Queue,
	}}
}

func (e *Engine) memoryUse() MemoryUse {
	u := &e.memory
	u.mu.Lock()
	defer u.mu.Unlock()
	used := u.used.Load()
	return MemoryUse{
		Parts: u.parts, Queue: max(0, used-u.parts.Total()), Used: used, Budget: e.memoryBudget(), Limit: e.opts.Memory.Limit, Level: journal.Level(u.level),
	}
}
