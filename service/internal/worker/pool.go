package worker

import (
	"context"
	"hash/maphash"
	"sync"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/queue"
	"github.com/engram-stream/engram/service/internal/telemetry"
)

// Pool is the worker pool. See the package comment.
type Pool struct {
	cfg   Config
	queue *queue.ObservationQueue
	proc  Processor
	rec   telemetry.Recorder
	seed  maphash.Seed

	mu      sync.Mutex
	settled *sync.Cond // a lease ended; Drain waits on it
	workers []*worker
	waiting int // spaces in all ready lists
	leases  map[memory.SpaceID]*lease
	failed  error
	stopped bool
	running sync.WaitGroup
}

// lease is a space that is handled, stands in a ready list, or is waited for.
type lease struct {
	space memory.SpaceID
	home  int
	held  bool
	ready bool            // stands in its home's list
	turns []chan struct{} // callers of Exclusive, first come first served
}

// New makes a pool. rec may be nil.
func New(cfg Config, q *queue.ObservationQueue, p Processor, rec telemetry.Recorder) *Pool {
	if rec == nil {
		rec = telemetry.Nop()
	}
	pool := &Pool{cfg: cfg.withDefaults(), queue: q, proc: p, rec: rec, seed: maphash.MakeSeed(), leases: map[memory.SpaceID]*lease{}}
	pool.settled = sync.NewCond(&pool.mu)
	for i := range pool.cfg.Workers {
		pool.workers = append(pool.workers, newWorker(pool, i))
	}
	return pool
}

// Start sets the workers going.
func (p *Pool) Start() {
	for _, w := range p.workers {
		p.running.Add(1)
		go w.supervise()
	}
}

// Notify says that something waits in a space. Call it after every Push.
func (p *Pool) Notify(space memory.SpaceID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.leaseOf(space)
	if !l.held {
		p.makeReady(l)
	}
}

func (p *Pool) leaseOf(space memory.SpaceID) *lease {
	l := p.leases[space]
	if l == nil {
		home := maphash.String(p.seed, string(space)) % uint64(len(p.workers))
		l = &lease{space: space, home: int(home)}
		p.leases[space] = l
	}
	return l
}

// makeReady puts a space at the tail of its home's list, once.
func (p *Pool) makeReady(l *lease) {
	if l.ready || p.queue.Pending(l.space) == 0 {
		p.forget(l)
		return
	}
	l.ready = true
	p.waiting++
	home := p.workers[l.home]
	home.ready = append(home.ready, l)
	switch {
	case home.state == idle:
		home.rouse()
	case home.state == coming && len(home.ready) == 1:
		// It takes this one; to wake a thief would only move the space away.
	default:
		p.rouseAny()
	}
}

// rouseAny wakes a worker that has nothing to do, if there is one.
func (p *Pool) rouseAny() {
	for _, w := range p.workers {
		if w.state == idle {
			w.rouse()
			return
		}
	}
}

// forget drops a lease that nobody needs: idle spaces cost nothing.
func (p *Pool) forget(l *lease) {
	if !l.held && !l.ready && len(l.turns) == 0 {
		delete(p.leases, l.space)
	}
}

// pick takes the next space for a worker: of its own list, or stolen from the
// longest. The mutex is held.
func (p *Pool) pick(w *worker) (l *lease, stolen bool) {
	for {
		from := w
		if len(from.ready) == 0 {
			if from = p.victim(w); from == nil {
				return nil, false
			}
		}
		l := from.ready[0]
		from.ready[0] = nil
		if from.ready = from.ready[1:]; len(from.ready) == 0 {
			from.ready = nil
		}
		l.ready = false
		p.waiting--
		if !l.held { // a caller of Exclusive may have it; it comes back then
			l.held = true
			return l, from != w
		}
	}
}

// victim is the worker with the longest list of spaces it will not get to at
// once; nil when there is none. What a worker on its way to its list will take
// first is left to it.
func (p *Pool) victim(w *worker) (longest *worker) {
	most := 0
	for _, other := range p.workers {
		n := len(other.ready)
		if other.state == coming {
			n--
		}
		if other != w && n > most {
			longest, most = other, n
		}
	}
	return longest
}

// release ends a lease: the next caller of Exclusive gets it, or the space goes
// to the tail of its list if more waits.
func (p *Pool) release(l *lease) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pass(l)
}

// pass is release with the mutex held.
func (p *Pool) pass(l *lease) {
	if len(l.turns) > 0 {
		next := l.turns[0]
		l.turns = l.turns[1:]
		close(next) // the lease passes on, held
		return
	}
	l.held = false
	p.makeReady(l)
	p.settled.Broadcast()
}

// Exclusive runs fn in the caller's goroutine under the lease of the space,
// before further batches of it. It returns the error of fn, or of ctx if that
// ends first.
func (p *Pool) Exclusive(ctx context.Context, space memory.SpaceID, fn func() error) error {
	p.mu.Lock()
	l := p.leaseOf(space)
	if l.held {
		turn := make(chan struct{})
		l.turns = append(l.turns, turn)
		p.mu.Unlock()
		select {
		case <-turn:
		case <-ctx.Done():
			return p.giveUp(ctx, l, turn)
		}
	} else {
		l.held = true
		p.mu.Unlock()
	}
	defer p.release(l)
	return fn()
}

// giveUp leaves the line; if the turn came meanwhile, it is passed on.
func (p *Pool) giveUp(ctx context.Context, l *lease, turn chan struct{}) error {
	p.mu.Lock()
	for i, t := range l.turns {
		if t == turn {
			l.turns = append(l.turns[:i:i], l.turns[i+1:]...)
			p.mu.Unlock()
			return ctx.Err()
		}
	}
	p.mu.Unlock()
	p.release(l)
	return ctx.Err()
}

// Drain waits until everything in the queue is finished.
func (p *Pool) Drain(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.settled.Broadcast()
	})()
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.queue.Len() > 0 || p.busy() {
		if err := ctx.Err(); err != nil {
			return err
		}
		p.settled.Wait()
	}
	return nil
}

func (p *Pool) busy() bool {
	for _, l := range p.leases {
		if l.held {
			return true
		}
	}
	return false
}

// Stop ends the workers after the batches in their hands, and waits for them.
// What is left in the queue stays there.
func (p *Pool) Stop() {
	p.mu.Lock()
	p.stopped = true
	for _, w := range p.workers {
		w.rouse()
	}
	p.mu.Unlock()
	p.running.Wait()
}

// fail records the first final error.
func (p *Pool) fail(err error) {
	p.mu.Lock()
	if p.failed == nil {
		p.failed = err
	}
	p.mu.Unlock()
}
