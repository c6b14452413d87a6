package engine

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/engram-stream/engram/service/internal/journal"
)

// How often the checkpointer looks, and how long it leaves a failure alone.
const (
	checkpointEvery = time.Second
	hibernateEvery  = 30 * time.Second
	checkpointRetry = 30 * time.Second
	// spaceRetry is how soon rounds follow one another that are made to free
	// disk space, and how much of the journal has to be worth it, in segments.
	spaceRetry    = 10 * time.Second
	spaceSegments = 2
)

// keepCheckpoints makes rounds when they are due and lets spaces fall asleep,
// until the engine closes.
func (e *Engine) keepCheckpoints() {
	defer e.housekeeping.Done()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer context.AfterFunc(e.stopping, cancel)()
	look, nap := time.NewTicker(checkpointEvery), time.NewTicker(hibernateEvery)
	defer look.Stop()
	defer nap.Stop()
	var notBefore time.Time
	for {
		select {
		case <-e.stopping.Done():
			return
		case <-nap.C:
			e.hibernate(ctx)
			continue
		case <-e.memory.due:
		case <-look.C:
		}
		now := e.opts.Clock.Now()
		if due, erase := e.checkpointDue(now); due && !now.Before(notBefore) && e.takesCheckpoints() == nil {
			if _, err := e.Checkpoint(ctx, CheckpointWish{Erase: erase, Paced: true}); err != nil && ctx.Err() == nil {
				e.opts.Log.Error("checkpoint failed", "error", err, "retry_in", checkpointRetry)
				notBefore = now.Add(checkpointRetry)
			}
		}
		e.giveBack(ctx)
		e.checkpoints.garbage.look(e.opts.Clock.Now())
	}
}

// checkpointDue tells whether a round is due, and whether it has to erase.
func (e *Engine) checkpointDue(now time.Time) (due, erase bool) {
	o, c := &e.opts.Checkpoint, &e.checkpoints
	c.mu.Lock()
	last, since := c.last, c.erase
	c.mu.Unlock()
	if last.IsZero() {
		last = e.started
	}
	// Half of the time that is allowed is left for what may go wrong.
	erase = !since.IsZero() && now.Sub(since) >= o.EraseWithin/2
	tail := e.tailBytes()
	if e.room.tight() && tail >= spaceSegments*e.segmentBytes() && now.Sub(last) >= spaceRetry {
		return true, erase // what the journal need not keep makes room
	}
	if e.memoryRoundDue(now, last) {
		return true, erase
	}
	return erase || tail >= o.TailBytes || tail > 0 && now.Sub(last) >= o.Interval && e.anyDirty(), erase
}

func (e *Engine) segmentBytes() int64 {
	if n := e.opts.Journal.SegmentBytes; n > 0 {
		return n
	}
	return journal.DefaultSegmentBytes
}

func (e *Engine) anyDirty() bool {
	for _, sl := range e.registry.all() {
		if _, dirty := sl.tail.oldest(); dirty {
			return true
		}
	}
	return false
}

// hibernate lets spaces fall asleep that nobody has wanted for a while; those
// that are awake again in no time, sooner.
func (e *Engine) hibernate(ctx context.Context) {
	e.hibernateAfter(ctx, e.opts.Checkpoint.HibernateAfter)
}

// hibernateAfter is hibernate for spaces that were left alone for some time.
func (e *Engine) hibernateAfter(ctx context.Context, after time.Duration) {
	if after < 0 {
		return
	}
	// A space must not fall asleep between being captured and being installed:
	// it would wake as it was before.
	if !e.checkpoints.rounds.TryLock() {
		return
	}
	defer e.checkpoints.rounds.Unlock()
	now, given := e.opts.Clock.Now(), int64(0)
	defer func() {
		if given >= freeBytes {
			debug.FreeOSMemory()
		}
	}()
	for _, sl := range e.registry.all() {
		idle := now.Sub(sl.space.IdleSince())
		if !sl.space.Stats().Awake || idle < after && (idle < lightIdle || !sl.space.Light()) {
			continue
		}
		if _, dirty := sl.tail.oldest(); dirty {
			continue
		}
		took := sl.space.MemoryNow()
		err := e.pool.Exclusive(ctx, sl.space.ID(), func() error {
			if _, dirty := sl.tail.oldest(); !dirty && sl.pending == nil && sl.space.Sleep() {
				given += took
				e.opts.Log.Debug("space asleep", "space", sl.space.ID())
			}
			return nil
		})
		if err != nil {
			return
		}
	}
}
