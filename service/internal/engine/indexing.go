package engine

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/queue"
	"github.com/engram-stream/engram/service/internal/session"
	"github.com/engram-stream/engram/service/internal/telemetry"
)

const (
	// indexPiece is how many rows an index worker moves before it tells those
	// who wait for them. The more at once, the less each takes.
	indexPiece = 8192
	// indexSlice is how long it stays with a space while others want it.
	indexSlice = 50 * time.Millisecond
)

// indexWaiters are acks that wait for the graph, in generation order. The
// holder of the space adds, an index worker takes.
type indexWaiters struct {
	mu   sync.Mutex
	list []indexWaiter
	kept int // what the last thinning left
}

type indexWaiter struct {
	owner *delivery
	seq   memory.Sequence
	gen   memory.Generation
	// sampled are the observations of it that are traced.
	sampled []telemetry.Done
}

// maxIndexWaiters bounds what a backlog of the graph can pile up here: beyond
// it, a session keeps only its newest waiter, which says all that the older ones
// would, later. Beside that there are the calls that wait: no more than are
// open.
const maxIndexWaiters = 1 << 16

func (w *indexWaiters) add(d *delivery, seq memory.Sequence, gen memory.Generation, sampled []telemetry.Done) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d.session == nil && !d.call.waitsForGraph() && len(sampled) == 0 {
		return // nobody to tell
	}
	w.list = append(w.list, indexWaiter{d, seq, gen, sampled})
	if n := len(w.list); n > maxIndexWaiters && n >= 2*w.kept {
		w.thin()
	}
}

// thin keeps the newest waiter of each session and those of calls that wait.
func (w *indexWaiters) thin() {
	newest := map[*session.Session]bool{}
	kept := make([]indexWaiter, 0, len(w.list)/2)
	for _, x := range slices.Backward(w.list) {
		s := x.owner.session
		if x.owner.call.waitsForGraph() || s != nil && !newest[s] {
			kept = append(kept, x)
		}
		if s != nil {
			newest[s] = true
		}
	}
	slices.Reverse(kept)
	w.list, w.kept = kept, len(kept)
}

// through takes the waiters whose rows are all indexed.
func (w *indexWaiters) through(gen memory.Generation) []indexWaiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for n < len(w.list) && w.list[n].gen <= gen {
		n++
	}
	out := w.list[:n:n]
	w.list = w.list[n:]
	if len(w.list) == 0 {
		w.list, w.kept = nil, 0
	}
	return out
}

// tellIndexed tells whoever waited for what is indexed now, after rows moved.
func (e *Engine) tellIndexed(sl *slot, rows int) {
	var sampled []telemetry.Done
	for _, w := range sl.awaiting.through(sl.space.IndexedThrough()) {
		w.owner.reached(memory.AckIndexed, w.seq, w.gen)
		sampled = append(sampled, w.sampled...)
	}
	if rows == 0 && sampled == nil {
		return
	}
	now := time.Now()
	for i := range sampled {
		sampled[i].Trip.MarkAt(telemetry.StageIndex, now)
	}
	e.rec.Indexed(string(sl.space.ID()), rows, sampled)
}

// tellDeleted tells calls that wait for the graph of a space that was deleted.
// Its sessions are dropped, which tells theirs.
func (e *Engine) tellDeleted(sl *slot) {
	for _, w := range sl.awaiting.through(math.MaxUint64) {
		if w.owner.call.waitsForGraph() {
			w.owner.call.fail(spaceDeleted(sl.space.ID()), 0, 0) // its places were given back when it became durable
		}
	}
}

// traced copies what the index stage will want to know of the sampled
// observations of a batch: their items are gone by then.
func traced(items []*queue.Item, outcomes []memory.Outcome) []telemetry.Done {
	var out []telemetry.Done
	for i, it := range items {
		if it.Trip.Parent.IsSampled() && outcomes[i].Rejection == nil {
			trip := it.Trip
			out = append(out, telemetry.Done{Trip: &trip, Session: string(it.Session), Sequence: uint64(it.Sequence), Generation: uint64(outcomes[i].Generation)})
		}
	}
	return out
}

// indexer owns the index workers and the list of spaces that want them.
type indexer struct {
	mu      sync.Mutex
	wake    *sync.Cond
	ready   []*slot
	queued  map[*slot]bool // in ready, or in a worker's hands
	again   map[*slot]bool // wanted while in a worker's hands
	waiting atomic.Int32   // len(ready)
	closed  bool
	workers sync.WaitGroup
}

func newIndexer() *indexer {
	x := &indexer{queued: map[*slot]bool{}, again: map[*slot]bool{}}
	x.wake = sync.NewCond(&x.mu)
	return x
}

// wantIndex lets an index worker look at the space.
func (e *Engine) wantIndex(sl *slot) {
	if !sl.space.WantsIndexWorker() {
		e.tellIndexed(sl, 0)
		return
	}
	x := e.indexer
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return
	}
	if x.queued[sl] {
		x.again[sl] = true
		return
	}
	x.queued[sl] = true
	x.push(sl)
	x.wake.Signal()
}

// runIndexer is one index worker: it takes a space, moves a piece of its rows,
// and puts it back at the end of the list while there is more. It has a thread of
// its own, with what processor time all others leave.
func (e *Engine) runIndexer() {
	x := e.indexer
	defer x.workers.Done()
	// It is never given back: the thread ends with the goroutine.
	runtime.LockOSThread()
	if err := stepBack(); err != nil {
		e.opts.Log.Debug("index workers run at the priority of everything else", "error", err)
	}
	var manners courtesy
	look := scheduler()
	for {
		x.mu.Lock()
		for len(x.ready) == 0 && !x.closed {
			x.wake.Wait()
		}
		if x.closed {
			x.mu.Unlock()
			return
		}
		sl := x.pop()
		delete(x.again, sl)
		x.mu.Unlock()

		more := e.moveRows(sl, func() { manners.giveWay(look) })
		x.mu.Lock()
		if more || x.again[sl] && !sl.ended() {
			x.push(sl)
		} else {
			delete(x.queued, sl)
			delete(x.again, sl)
		}
		x.mu.Unlock()
	}
}

// moveRows moves a piece of the rows of a space into its graph, as its policy
// says, and tells those who wait for them. It reports whether there is more to
// do. A space that was deleted has no use for a graph.
func (e *Engine) moveRows(sl *slot, giveWay func()) (more bool) {
	if sl.ended() {
		return false
	}
	began := time.Now()
	n := sl.space.Index(e.judge(sl).piece(), func() bool {
		giveWay()
		return !e.closing.Load() && !sl.ended() && (e.indexer.waiting.Load() == 0 || time.Since(began) < indexSlice)
	})
	e.tellIndexed(sl, n)
	return e.judge(sl) != IndexPaused && !sl.ended() && sl.space.WantsIndexWorker()
}

// push and pop need mu.
func (x *indexer) push(sl *slot) {
	x.ready = append(x.ready, sl)
	x.waiting.Store(int32(len(x.ready)))
}

func (x *indexer) pop() *slot {
	sl := x.ready[0]
	x.ready = x.ready[1:]
	x.waiting.Store(int32(len(x.ready)))
	return sl
}

func (x *indexer) close() {
	x.mu.Lock()
	x.closed = true
	x.wake.Broadcast()
	x.mu.Unlock()
	x.workers.Wait()
}
