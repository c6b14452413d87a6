package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/engram-stream/engram/service/internal/admission"
	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/embed"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/queue"
	"github.com/engram-stream/engram/service/internal/session"
	"github.com/engram-stream/engram/service/internal/telemetry"
	"github.com/engram-stream/engram/service/internal/worker"
)

// State is what the engine is doing.
type State int32

// The states, in the order in which they may follow one another.
const (
	Replaying State = iota // reads its journal back
	Serving                // takes observations and answers recalls
	Draining               // finishes what it has
	Failed                 // the journal failed: answers recalls only
)

// Engine is the whole of the server below its protocols. All exported methods
// may be called from any goroutine; Close is called once, last.
type Engine struct {
	opts     Options
	rec      telemetry.Recorder
	journal  journal.Journal
	registry *registry
	queue    *queue.ObservationQueue
	monitor  *admission.Monitor
	sessions *session.Manager
	pool     *worker.Pool
	indexer  *indexer
	audience *audience
	feeding  feeding
	room     room
	memory   memoryUse
	store    *checkpoint.Store

	checkpoints checkpoints
	replay      replay
	embedders   map[string]embed.Embedder

	state     atomic.Int32
	failure   atomic.Pointer[fault.Error]
	closing   atomic.Bool
	waiters   atomic.Int64 // recalls that wait for a generation
	indexTime indexTime
	totals    totals
	started   time.Time
	// What a worker needs for the time of a batch.
	entries scratch[memory.Entry]
	done    scratch[telemetry.Done]
	parcels parcels

	housekeeping sync.WaitGroup
	// leaving ends when Drain begins: calls that only wait end with it.
	leaving context.Context
	leave   context.CancelFunc
	// stopping ends when Close begins.
	stopping context.Context
	stop     context.CancelFunc
}

// New opens an engine and waits until everything that was kept is visible
// again.
func New(ctx context.Context, o Options) (*Engine, error) {
	e, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	select {
	case <-e.replay.done:
		err = e.replay.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// Open opens checkpoints and journal, and reads back behind the caller's back
// what the checkpoints lack. Meanwhile recalls are answered from the
// checkpoints, and nothing is written. [Engine.Replayed] tells when that is
// over.
func Open(ctx context.Context, o Options) (*Engine, error) {
	o = o.withDefaults()
	e := &Engine{
		opts: o, registry: newRegistry(), queue: queue.New(o.Queue), sessions: session.NewManager(o.Session),
		indexer: newIndexer(), audience: newAudience(o.Recorder), feeding: newFeeding(), embedders: map[string]embed.Embedder{}, started: o.Clock.Now(),
	}
	e.stopping, e.stop = context.WithCancel(context.Background())
	e.leaving, e.leave = context.WithCancel(e.stopping)
	e.rec = tally{o.Recorder, &e.totals}
	for _, emb := range o.Embedders {
		e.embedders[emb.Identity().Kind] = emb
	}
	jo := o.Journal
	jo.Observe = func(c journal.Commit) {
		e.rec.Committed(c.Frames, c.Records, c.Bytes, c.Wait, c.Write, c.Sync, c.Err)
		e.room.wrote(c.Bytes)
	}
	e.room.look, e.memory.due = make(chan struct{}, 1), make(chan struct{}, 1)
	e.checkpoints.shared = map[checkpoint.FileID]int{}
	e.replay.done = make(chan struct{})
	log, err := journal.Open(jo)
	if err != nil {
		e.stop()
		return nil, err
	}
	e.journal = log
	e.store, err = checkpoint.Open(checkpoint.Options{FS: jo.FS, Dir: o.Checkpoint.Dir, Clock: o.Clock})
	if err != nil {
		e.stop()
		return nil, errors.Join(err, log.Close())
	}
	from, err := e.restore()
	if err != nil {
		e.stop()
		return nil, errors.Join(err, e.store.Close(), log.Close())
	}
	e.monitor = admission.NewMonitor(e.opts.Admission, e.queue)
	e.monitor.Subscribe(e.audience.pressureChanged)
	e.pool = worker.New(e.opts.Worker, e.queue, processor{e}, e.rec)
	go e.catchUp(from)
	return e, nil
}

// start sets the goroutines going, once the state of before is restored.
func (e *Engine) start() {
	e.pool.Start()
	for range e.opts.IndexWorkers {
		e.indexer.workers.Add(1)
		go e.runIndexer()
	}
	for _, sl := range e.registry.all() {
		if sl.space.WantsIndexWorker() {
			e.wantIndex(sl)
		}
	}
	e.sessions.Start(e.sessionsForgotten)
	e.housekeeping.Add(3)
	go e.keepHouse()
	go e.keepCheckpoints()
	go e.keepScrubbing()
}

// State returns what the engine is doing.
func (e *Engine) State() State {
	if e.failure.Load() != nil {
		return Failed
	}
	return State(e.state.Load())
}

// Ready reports whether the engine takes observations, and if not, why.
func (e *Engine) Ready() (bool, string) {
	if err := e.takesWrites(); err != nil {
		return false, err.Error()
	}
	return true, ""
}

// takesWrites fails while nothing new is taken.
func (e *Engine) takesWrites() error {
	if f := e.failure.Load(); f != nil {
		return f
	}
	if err := e.room.refusal(); err != nil {
		return err
	}
	switch State(e.state.Load()) {
	case Draining:
		return errDraining
	case Replaying:
		return e.replay.unfinished()
	}
	return nil
}

var errDraining = fault.Retry(fault.Unavailable, fault.Draining, time.Second, "the server is shutting down; come back in a moment")

// fail records that the journal failed: nothing new is taken from here on, and
// everyone is told.
func (e *Engine) fail(f *fault.Error) {
	if !e.failure.CompareAndSwap(nil, f) {
		return
	}
	e.opts.Log.Error("journal failed; nothing new is kept", "cause", errors.Unwrap(f))
	e.monitor.Fail(f)
	e.sessions.Fail(f)
}

// appendFailed turns an error of the journal into what callers are told.
func (e *Engine) appendFailed(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.Of(err)
	}
	if errors.Is(err, journal.ErrFull) {
		e.watchDisk()
		return diskFull(err)
	}
	var big *journal.FrameError
	if errors.As(err, &big) {
		return frameTooLarge(big)
	}
	f := journalFailed(err)
	e.fail(f)
	return f
}

// Drain ends the taking of observations in order: everyone is told to go away
// and come back, and what was accepted is made durable and visible.
func (e *Engine) Drain(ctx context.Context) error {
	e.leave()
	if e.state.Swap(int32(Draining)) == int32(Replaying) {
		return nil // nothing was taken yet
	}
	e.sessions.GoAway(time.Second)
	e.monitor.Drain()
	if err := e.pool.Drain(ctx); err != nil {
		return err
	}
	if _, err := e.Checkpoint(ctx, CheckpointWish{}); err != nil && e.failure.Load() == nil {
		// The journal has it all: the next start takes longer, that is all.
		e.opts.Log.Warn("the checkpoint before the stop failed", "error", err)
	}
	return nil
}

// Close ends all goroutines and the journal. What was accepted and is not
// durable is lost, as by a crash: Drain comes first.
func (e *Engine) Close() error {
	e.closing.Store(true)
	e.stop()
	<-e.replay.done
	e.housekeeping.Wait()
	e.pool.Stop()
	e.indexer.close()
	e.sessions.Stop()
	err := errors.Join(e.store.Close(), e.journal.Close())
	for _, emb := range e.opts.Embedders {
		err = errors.Join(err, emb.Close())
	}
	return err
}

// Sessions returns the session manager, for watching and administration.
func (e *Engine) Sessions() *session.Manager { return e.sessions }
