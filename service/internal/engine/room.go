package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/journal"
)

// How long what was admitted waits before it asks a full disk again, and how
// soon those are told to come back that were not.
const (
	firstRoomPause   = 20 * time.Millisecond
	longestRoomPause = time.Second
	roomRetry        = 5 * time.Second
	// lookBytes is how much is written at most before the disk is looked at.
	lookBytes = 1 << 20
)

// room is how the disk under the journal stands, and what was said of it.
// level is the last that admission and the log were told; the lock is held
// from looking to telling, so that what is told last is what is so. It comes before all
// locks of admission and sessions.
type room struct {
	mu      sync.Mutex
	waiting int // frames that the disk has no room for
	level   journal.Level

	unseen atomic.Int64  // bytes written since somebody was sent to look
	look   chan struct{} // sends housekeeping to look before its time
}

// wrote counts what the journal writes: a fast stream must not pass both
// watermarks between two looks. It is called by the journal's committer only.
func (r *room) wrote(bytes int64) {
	if r.unseen.Add(bytes) < lookBytes {
		return
	}
	r.unseen.Store(0)
	select {
	case r.look <- struct{}{}:
	default: // sent already
	}
}

// refusal is why nothing at all is begun: something that was admitted waits
// for room as it is. nil while nothing does.
func (r *room) refusal() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting == 0 {
		return nil
	}
	return diskFull(journal.ErrFull)
}

// tight reports whether the disk is filling up.
func (r *room) tight() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting > 0 || r.level != journal.LevelNormal
}

// count changes how many frames wait.
func (r *room) count(by int) {
	r.mu.Lock()
	r.waiting += by
	r.mu.Unlock()
}

// stands is how the disk stands of which the journal says u. The lock is held.
func (r *room) stands(u journal.Usage) journal.Level {
	if r.waiting > 0 {
		return journal.LevelRefuse
	}
	return u.Level
}

// diskLevel is stands for who holds no lock.
func (r *room) diskLevel(u journal.Usage) journal.Level {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stands(u)
}

func diskFull(cause error) *fault.Error {
	return fault.Retry(fault.ResourceExhausted, fault.DiskPressure, roomRetry,
		"the disk is full: nothing new is kept until there is room; recalls are still answered").Because(cause)
}

// watchDisk asks the journal how full its disk is, and tells admission and the
// log when that has changed.
func (e *Engine) watchDisk() {
	r := &e.room
	r.mu.Lock()
	defer r.mu.Unlock()
	u := e.journal.Usage()
	level := r.stands(u)
	e.monitor.SetExternal("disk", diskPressure(level))
	if level == r.level {
		return
	}
	log := e.opts.Log.With("free_bytes", u.DiskFree, "total_bytes", u.DiskTotal, "journal_bytes", u.Bytes)
	switch {
	case level == journal.LevelRefuse:
		log.Error("the disk is full: new observations are refused until there is room")
	case r.level == journal.LevelRefuse:
		log.Warn("the disk has room again: new observations are taken", "level", level)
	case level == journal.LevelWarning:
		log.Warn("the disk is filling up")
	default:
		log.Info("the disk has room")
	}
	r.level = level
}

// keepAdmitted is keep for what was admitted: when the disk is full it waits
// for room, since the clients were promised that what is taken is carried out.
// Meanwhile nothing new is taken. The space's lease is held, so that what comes
// behind stays behind; no lock is. It ends with the engine, or when it drains:
// then the frame is given up, of which nobody was told that it is durable.
func (e *Engine) keepAdmitted(sl *slot, f *journal.Frame) error {
	err := e.keep(context.Background(), sl, f, nil)
	if !errors.Is(err, journal.ErrFull) {
		return err
	}
	e.room.count(+1)
	e.watchDisk()
	defer func() {
		e.room.count(-1)
		e.watchDisk()
	}()
	for pause := firstRoomPause; ; pause = min(2*pause, longestRoomPause) {
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-e.leaving.Done():
			again.Stop()
			return diskFull(err)
		}
		if err = e.keep(context.Background(), sl, f, nil); !errors.Is(err, journal.ErrFull) {
			return err
		}
	}
}
