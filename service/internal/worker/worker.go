package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/engram-stream/engram/service/internal/failpoint"
	"github.com/engram-stream/engram/service/internal/queue"
)

// firstLimit is the batch limit a worker starts with.
const firstLimit = 64

// state is what a worker is about.
type state uint8

const (
	coming state = iota // on its way to the lists
	busy                // with a space in hand
	idle                // waiting to be roused
)

// worker is one worker. ready and state are guarded by the pool's mutex; the
// rest is its goroutine's own, but for the counters.
type worker struct {
	pool   *Pool
	id     int
	ready  []*lease
	state  state
	roused *sync.Cond // on the pool's mutex

	limit  int
	floor  time.Duration // of a batch's time: what does not depend on its size
	buf    []*queue.Item
	lease  *lease        // of the batch in hand
	batch  []*queue.Item // in hand; survives a panic
	stolen bool

	batches, steals, panics, restarts atomic.Uint64
	load                              utilization
}

func newWorker(p *Pool, id int) *worker {
	return &worker{pool: p, id: id, roused: sync.NewCond(&p.mu), limit: min(max(firstLimit, p.cfg.BatchMin), p.cfg.BatchMax)}
}

// rouse sends an idle worker to the lists. The pool's mutex is held.
func (w *worker) rouse() {
	if w.state == idle {
		w.state = coming
		w.roused.Signal()
	}
}

// errStop ends a worker.
var errStop = errors.New("the pool stops")

// supervise keeps the worker running: whenever a batch panics, its goroutine
// ends and a fresh one goes on with what it had in hand.
func (w *worker) supervise() {
	defer w.pool.running.Done()
	for {
		ended := make(chan error, 1)
		go func() { ended <- w.run() }()
		if err := <-ended; errors.Is(err, errStop) {
			return
		}
		w.restarts.Add(1)
	}
}

// run works until the pool stops or a batch panics; a panic is returned as an
// error.
func (w *worker) run() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = w.panicked(r)
		}
	}()
	if w.batch != nil {
		w.carryOn()
	}
	for w.next() {
		w.process()
	}
	return errStop
}

// next waits for a space and takes a batch of it; false when the pool stops.
func (w *worker) next() bool {
	p := w.pool
	p.mu.Lock()
	for {
		if p.stopped {
			p.mu.Unlock()
			return false
		}
		if w.lease, w.stolen = p.pick(w); w.lease != nil {
			break
		}
		w.state = idle
		w.roused.Wait()
	}
	w.state = busy
	if p.waiting > 0 {
		// Who was roused for what is left may have found something of its own.
		p.rouseAny()
	}
	p.mu.Unlock()
	w.load.busy(true)
	w.batch = p.queue.Take(w.lease.space, w.limit, w.buf[:0])
	w.buf = w.batch
	return true
}

// process hands the batch to the processor.
func (w *worker) process() {
	if len(w.batch) == 0 { // dropped meanwhile
		w.finish()
		return
	}
	began := time.Now()
	if err := failpoint.Hit(failpoint.WorkerBatch); err != nil {
		panic(fmt.Sprintf("failpoint: %v", err))
	}
	err := w.hand(w.batch)
	took := time.Since(began)
	if err != nil {
		w.pool.rec.Batch(w.id, len(w.batch), took, w.stolen, "journal")
	} else {
		w.done(len(w.batch), took)
	}
	w.finish()
}

// hand gives items to the processor; an error is final and abandons them.
func (w *worker) hand(items []*queue.Item) error {
	p := w.pool
	p.mu.Lock()
	err := p.failed
	p.mu.Unlock()
	if err == nil {
		err = p.proc.Process(context.Background(), w.lease.space, items)
	}
	if err != nil {
		w.abandon(items, err)
	}
	return err
}

// abandon records a final error and tells the owners. A panic in the telling
// is logged and not repeated: it would never end.
func (w *worker) abandon(items []*queue.Item, err error) {
	w.pool.fail(err)
	_, _ = w.attempt(func() error {
		w.pool.proc.Abandon(w.lease.space, items, err)
		return nil
	})
}

func (w *worker) done(n int, took time.Duration) {
	w.batches.Add(1)
	if w.stolen {
		w.steals.Add(1)
	}
	w.pool.rec.Batch(w.id, n, took, w.stolen, "")
	w.adapt(n, took)
}

// adapt moves the limit of what is taken at once. Most of a batch's time may be
// one fsync, which a smaller batch would only pay for more often: so what counts
// is the time beyond the quickest batch seen lately.
func (w *worker) adapt(n int, took time.Duration) {
	c := &w.pool.cfg
	if w.floor == 0 || took < w.floor {
		w.floor = took
	} else {
		w.floor += (took - w.floor) / 64
	}
	switch {
	case took-w.floor > c.TargetBatch:
		w.limit = max(c.BatchMin, w.limit/2)
	case n == w.limit:
		w.limit = min(c.BatchMax, w.limit+w.limit/4+1)
	}
}

// finish gives up the batch and the lease.
func (w *worker) finish() {
	w.pool.queue.Done(w.batch)
	w.pool.proc.Finished(w.batch)
	clear(w.buf)
	l := w.lease
	w.batch, w.lease = nil, nil
	w.load.busy(false)
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	w.state = coming
	w.pool.pass(l)
}

func (w *worker) panicked(r any) error {
	w.panics.Add(1)
	w.pool.cfg.Log.Error("a batch panicked; its worker is restarted", "worker", w.id, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
	w.pool.rec.Batch(w.id, len(w.batch), 0, w.stolen, "panic")
	return fmt.Errorf("worker %d: batch panicked: %v", w.id, r)
}

// carryOn takes a batch that panicked on, item by item, in order.
func (w *worker) carryOn() {
	began := time.Now()
	failed := false
	for _, it := range w.batch {
		failed = !w.alone(it) || failed
	}
	if !failed {
		w.done(len(w.batch), time.Since(began))
	}
	w.finish()
}

// alone carries one item; false when it was abandoned.
func (w *worker) alone(it *queue.Item) bool {
	one := []*queue.Item{it}
	var reason string
	for range w.pool.cfg.Attempts {
		var err error
		if reason, err = w.attempt(func() error { return w.hand(one) }); reason == "" {
			return err == nil
		}
	}
	w.pool.cfg.Log.Error("an observation is quarantined", "space", it.Space, "session", it.Session, "sequence", it.Sequence, "reason", reason)
	again, err := w.attempt(func() error {
		return w.pool.proc.Quarantine(context.Background(), it.Space, it, "applying it failed: "+reason)
	})
	if again != "" {
		err = fmt.Errorf("quarantine: %s", again)
	}
	if err != nil {
		w.abandon(one, err)
	}
	return err == nil
}

// attempt runs fn and returns what it panicked with, as text. The stack is
// logged here: the reason of a quarantine is shown to clients, a stack is not.
func (w *worker) attempt(fn func() error) (panicked string, err error) {
	defer func() {
		if r := recover(); r != nil {
			w.panics.Add(1)
			panicked = fmt.Sprint(r)
			w.pool.cfg.Log.Error("carrying one observation, or telling its owner, panicked", "worker", w.id, "space", w.lease.space, "panic", panicked, "stack", string(debug.Stack()))
			if panicked == "" {
				panicked = "panic"
			}
		}
	}()
	return "", fn()
}
