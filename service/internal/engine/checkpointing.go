package engine

import (
	"context"
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
		case <-look.C:
			now := e.opts.Clock.Now()
			due, erase := e.checkpointDue(now)
			if !due || now.Before(notBefore) || e.takesCheckpoints() != nil {
				continue
			}
			if _, err := e.Checkpoint(ctx, CheckpointWish{Erase: erase, Paced: true}); err != nil && ctx.Err() == nil {
				e.opts.Log.Error("checkpoint failed", "error", err, "retry_in", checkpointRetry)
				notBefore = now.Add(checkpointRetry)
			}
		}
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

// hibernate lets spaces fall asleep that nobody has wanted for a while.
func (e *Engine) hibernate(ctx context.Context) {
	after := e.opts.Checkpoint.HibernateAfter
	if after < 0 {
		return
	}
	// A space must not fall asleep between being captured and being installed:
	// it would wake as it was before.
	if !e.checkpoints.rounds.TryLock() {
		return
	}
	defer e.checkpoints.rounds.Unlock()
	now := e.opts.Clock.Now()
	for _, sl := range e.registry.all() {
		if !sl.space.Stats().Awake || now.Sub(sl.space.IdleSince()) < after {
			continue
		}
		if _, dirty := sl.tail.oldest(); dirty {
			continue
		}
		err := e.pool.Exclusive(ctx, sl.space.ID(), func() error {
			if _, dirty := sl.tail.oldest(); !dirty && sl.pending == nil && sl.space.Sleep() {
				e.opts.Log.Debug("space asleep", "space", sl.space.ID())
			}
			return nil
		})
		if err != nil {
			return
		}
	}
}
