package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/failpoint"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/space"
)

// CheckpointWish says what a round is to do beyond the usual.
type CheckpointWish struct {
	// Erase lets no byte of what was forgotten or deleted before stay on disk.
	Erase bool
	// Paced works slowly, to leave the disk to the journal and the processors to
	// everything else.
	Paced bool
}

// CheckpointInfo is what a round did.
type CheckpointInfo struct {
	Number   uint64 // of the catalog in force
	Position journal.Position
	Spaces   int   // written
	Bytes    int64 // written
	Took     time.Duration
}

// checkpoints is what the engine knows of its checkpoints.
//
// rounds makes one round at a time; it comes before the registry's changing,
// before every lease and before a slot's locks. mu is a leaf.
type checkpoints struct {
	rounds sync.Mutex

	mu       sync.Mutex
	last     time.Time // end of the last round
	wrote    CheckpointInfo
	erase    time.Time // when the oldest thing was forgotten that still has bytes on disk
	failure  string    // why the last round failed
	damage   []string
	scrubbed time.Time
	// garbage is what rounds let go of.
	garbage collecting
	// instead is called by rounds of tests where others would give way.
	instead func()
	// shared counts, for each file that spaces share, how many it was written
	// for. When fewer name it, it holds bytes that nobody needs.
	shared map[checkpoint.FileID]int
}

// eraseDue notes that something was forgotten that is on disk.
func (c *checkpoints) eraseDue(at time.Time) {
	c.mu.Lock()
	if c.erase.IsZero() {
		c.erase = at
	}
	c.mu.Unlock()
}

// eraseAgain is how often a round that had to erase follows itself: a space that
// was made meanwhile was no part of it.
const eraseAgain = 3

// stuckWait is how long a round waits for a space that may be waiting for the
// disk.
const stuckWait = time.Second

// captured is a space on its way into a checkpoint.
type captured struct {
	slot  *slot
	state *space.Capture
	entry checkpoint.Entry
	// first is where its tail began, if it was dirty.
	first journal.Position
	dirty bool
}

// Checkpoint writes what changed since the last one, so that the journal
// before need not be read again. It returns when the catalog is on stable
// storage. Observations and recalls go on meanwhile.
func (e *Engine) Checkpoint(ctx context.Context, wish CheckpointWish) (CheckpointInfo, error) {
	if err := e.takesCheckpoints(); err != nil {
		return CheckpointInfo{}, err
	}
	e.checkpoints.rounds.Lock()
	defer e.checkpoints.rounds.Unlock()
	short := e.memory.round.Load() // some of it is to come free with the round
	info, err := e.round(ctx, wish)
	for again := 0; again < eraseAgain && errors.Is(err, errNotErased); again++ {
		info, err = e.round(ctx, wish)
	}
	switch {
	case info.Bytes < freeBytes:
	case short:
		e.checkpoints.garbage.atOnce()
	default:
		e.checkpoints.garbage.owe(e.opts.Clock.Now())
	}
	c := &e.checkpoints
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.failure = err.Error()
		return info, err
	}
	c.failure, c.last, c.wrote = "", e.opts.Clock.Now(), info
	return info, nil
}

// takesCheckpoints fails while no round can be made. A full disk is no reason: a
// round lets go of journal.
func (e *Engine) takesCheckpoints() error {
	if f := e.failure.Load(); f != nil {
		return f
	}
	select {
	case <-e.replay.done:
		return nil
	default:
		return e.replay.unfinished()
	}
}

func (e *Engine) round(ctx context.Context, wish CheckpointWish) (info CheckpointInfo, err error) {
	began := time.Now()
	pending := e.checkpoints.takeErase(wish.Erase)
	if wish.Erase {
		if err := e.journal.Seal(ctx); err != nil {
			return info, fmt.Errorf("seal the journal: %w", err)
		}
	}
	// Frames before this are all of spaces that are looked at below: none is
	// noted later, since every look waits for appends under way.
	end := e.journal.DurableEnd()
	files := &roundFiles{store: e.store, pace: e.pace(ctx, wish)}
	defer func() { err = errors.Join(err, files.abort(err)) }()
	var taken []*captured
	defer func() {
		if err != nil && !errors.Is(err, errNotErased) {
			// Also those that had nothing new: they have to come again.
			for _, c := range taken {
				if !c.dirty {
					c.first = end
				}
				c.slot.tail.restore(c.first)
			}
			e.checkpoints.giveBackErase(pending)
		}
	}()
	stale := e.checkpoints.stale(e.registry.all(), wish.Erase)
	for _, sl := range e.registry.all() {
		if err := ctx.Err(); err != nil {
			return info, err
		}
		c, err := e.capture(ctx, sl, stale[sl], wish.Erase)
		if err != nil {
			return info, err
		}
		if c == nil {
			continue
		}
		taken = append(taken, c)
		if err := failpoint.Hit(failpoint.CheckpointWrite); err != nil {
			c.state.Abandon()
			return info, err
		}
		if c.entry, err = c.state.Write(files); err != nil {
			return info, err
		}
		if err := files.endSpace(); err != nil {
			return info, err
		}
	}
	if err := files.end(); err != nil {
		return info, err
	}
	cat, err := e.commit(end, taken, wish.Erase)
	if cat == nil {
		return info, err
	}
	// The catalog is in force, whatever comes now: what failed for one space
	// must not keep the others from going along with it.
	for _, c := range taken {
		err = errors.Join(err, e.install(context.WithoutCancel(ctx), c))
	}
	if err != nil {
		return info, err
	}
	info = CheckpointInfo{Number: cat.Number, Position: journal.Position(cat.Position), Spaces: len(taken), Bytes: files.written, Took: time.Since(began)}
	before := cat.Position
	if prev := e.store.Previous(); prev != nil {
		before = min(before, prev.Position)
	} else {
		before = 0
	}
	if err := e.journal.Trim(journal.Position(before)); err != nil {
		return info, fmt.Errorf("trim the journal: %w", err)
	}
	e.opts.Log.Info("checkpoint", "number", info.Number, "spaces", info.Spaces, "bytes", info.Bytes, "position", uint64(info.Position), "trimmed_before", before, "took", info.Took.Round(time.Millisecond))
	if wish.Erase && cat.Position < uint64(end) {
		// The catalog is good and stays. What was to be erased is due again.
		if pending.IsZero() {
			pending = e.opts.Clock.Now()
		}
		e.checkpoints.giveBackErase(pending)
		return info, errNotErased
	}
	return info, nil
}

var errNotErased = fault.Retry(fault.Unavailable, fault.Corrupt, time.Minute,
	"the checkpoint was made, but a space could not be part of it, so that bytes of what was forgotten stay in the journal: see the status for damage, or try again")

// capture takes the state of a space that changed since its checkpoint, or the
// files of which are to be left; nil if there is no need.
func (e *Engine) capture(ctx context.Context, sl *slot, stale, erase bool) (c *captured, err error) {
	if _, dirty := sl.tail.oldest(); !dirty && !stale && !(erase && sl.space.Leftover()) {
		return nil, nil
	}
	turn := ctx
	if e.room.refusal() != nil {
		// Whoever waits for room holds its space; the others are to make some.
		var cancel context.CancelFunc
		turn, cancel = context.WithTimeout(ctx, stuckWait)
		defer cancel()
	}
	reserved := sl.space.Reserve()
	defer reserved.Release()
	err = e.pool.Exclusive(turn, sl.space.ID(), func() error {
		if sl.ended() || sl.space.Wake() != nil {
			return nil // a damaged space keeps its entry, and its frames stay in the journal
		}
		sl.tail.keeping.Lock()
		defer sl.tail.keeping.Unlock()
		state := reserved.Capture(uint64(sl.tail.newest()), erase)
		if state == nil {
			return nil
		}
		c = &captured{slot: sl, state: state}
		c.first, c.dirty = sl.tail.clear()
		return nil
	})
	if err != nil && ctx.Err() == nil && turn.Err() != nil {
		return nil, nil
	}
	return c, err
}

// commit puts the catalog of a round in force, twice if nothing of the former
// one is to be kept. With an error it returns the catalog that is in force all
// the same, if one is.
func (e *Engine) commit(end journal.Position, taken []*captured, twice bool) (*checkpoint.Catalog, error) {
	reg := e.registry
	reg.changing.Lock() // no space comes or goes
	defer reg.changing.Unlock()
	fresh := make(map[*slot]*captured, len(taken))
	for _, c := range taken {
		fresh[c.slot] = c
	}
	cat := checkpoint.Catalog{Journal: e.journal.ID(), Position: uint64(end), Ended: reg.endings()}
	for _, sl := range reg.all() {
		sl.tail.keeping.Lock() // what is being appended is noted after this
		if first, dirty := sl.tail.oldest(); dirty {
			cat.Position = min(cat.Position, uint64(first))
		}
		sl.tail.keeping.Unlock()
		if c := fresh[sl]; c != nil {
			cat.Spaces = append(cat.Spaces, c.entry)
		} else if sl.entry.Manifest.Length > 0 {
			cat.Spaces = append(cat.Spaces, sl.entry)
		}
	}
	done, err := e.store.Commit(cat)
	if err != nil {
		return nil, fmt.Errorf("commit the catalog: %w", err)
	}
	for _, c := range taken {
		c.slot.entry = c.entry
	}
	e.checkpoints.count(cat.Spaces, 0)
	if twice {
		again, err := e.store.Commit(cat)
		if err != nil {
			return done, fmt.Errorf("commit the catalog again: %w", err)
		}
		done = again
	}
	return done, nil
}

// install lets a space read its full chunks from the files.
func (e *Engine) install(ctx context.Context, c *captured) error {
	defer c.state.Abandon()
	c.state.ReadBack(e.store)
	ended := false
	err := e.pool.Exclusive(ctx, c.slot.space.ID(), func() error {
		if ended = c.slot.ended(); ended {
			return nil
		}
		return c.state.Install(e.store, c.entry)
	})
	if !ended {
		c.slot.space.Memory()
	}
	return err
}

// tailBytes is how much of the journal a start would have to read.
func (e *Engine) tailBytes() int64 {
	from := journal.Position(0)
	if cat := e.store.Latest(); cat != nil {
		from = journal.Position(cat.Position)
	}
	n := e.journal.DurableEnd() - from
	return int64(min(uint64(n), math.MaxInt64))
}

// takeErase gives what was to be erased, if this round does it.
func (c *checkpoints) takeErase(now bool) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.erase
	if now {
		c.erase = time.Time{}
	}
	return at
}

func (c *checkpoints) giveBackErase(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.erase.IsZero() || !at.IsZero() && at.Before(c.erase) {
		c.erase = at
	}
}

// count notes how many spaces share each new file; unknown is added for those
// that other spaces may have left already.
func (c *checkpoints) count(entries []checkpoint.Entry, unknown int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := map[checkpoint.FileID]int{}
	for i := range entries {
		now[entries[i].Manifest.File]++
	}
	for id := range c.shared {
		if now[id] == 0 {
			delete(c.shared, id)
		}
	}
	for id, n := range now {
		if _, known := c.shared[id]; !known {
			c.shared[id] = n + unknown
		}
	}
}

// stale finds the spaces that have to leave the file they share: it is mostly
// of no use any more, or, if none may be left, it holds anything of that kind.
func (c *checkpoints) stale(slots []*slot, none bool) map[*slot]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := map[checkpoint.FileID]int{}
	for _, sl := range slots {
		if sl.entry.Manifest.Length > 0 {
			now[sl.entry.Manifest.File]++
		}
	}
	out := map[*slot]bool{}
	for _, sl := range slots {
		id := sl.entry.Manifest.File
		if n := now[id]; n > 0 && sl.entry.Manifest.Length > 0 && n < c.shared[id] && (none || 4*n <= c.shared[id]) {
			out[sl] = true
		}
	}
	return out
}
