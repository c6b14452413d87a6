package journal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"sync"
)

// Segments is the journal in segment files.
//
// It owns two goroutines, which Close waits for: the committer (commit.go),
// the only one that writes to the active segment and the only one that calls
// done functions and Observe; and the preparer (prepare.go), which makes the
// next segment. Append, AppendAsync, Seal, Read, Trim, ID, DurableEnd, Usage
// and Err may be called together, also with Close.
//
// Lock order: trimming, then mu. mu is never held during file access, nor
// during callbacks, but for the last steps of Close.
type Segments struct {
	opts  Options
	logID uint64
	lock  io.Closer // of the directory

	trimming sync.Mutex // one Trim at a time

	mu sync.Mutex
	// work wakes the committer, turn the preparer and whoever waits for it.
	work, turn sync.Cond
	// room is closed, and replaced, whenever frames leave the queue.
	room        chan struct{}
	queue       []*entry
	queuedBytes int64

	segments []*segment // oldest first; the last is the active one
	durable  Position
	stats    Usage // Last and the counters; the rest is filled in when asked

	spare       *segment // ready to be the next one, or nil
	spareErr    error    // why the last attempt to make it found no room
	spareWanted bool
	attempts    uint64 // to make a spare, finished

	err     error // *FailedError once failed
	closing bool  // no new frames; the committer ends when the queue is empty
	stop    bool  // the preparer ends

	committed chan struct{} // closed when the committer has ended
	prepared  chan struct{} // closed when the preparer has ended
	closeOnce sync.Once
	closeErr  error

	buf []byte // of the committer: the bytes of one commit
}

// Open opens the log in a directory, or starts one. It verifies the segment
// that was being written, drops what an unfinished commit left there, and
// returns a [*CorruptError], changing nothing, when it finds damage. Older
// segments are verified when they are read.
func Open(opts Options) (*Segments, error) {
	if err := opts.setDefaults(); err != nil {
		return nil, err
	}
	if err := opts.FS.MkdirAll(opts.Dir); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	lock, err := opts.FS.Lock(path.Join(opts.Dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	rec, err := recoverLog(&opts)
	if err == nil && len(rec.segments) == 0 {
		err = rec.startLog(&opts)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open journal: %w", err), lock.Close())
	}
	active := rec.segments[len(rec.segments)-1]
	s := &Segments{
		opts: opts, logID: rec.logID, lock: lock,
		room:     make(chan struct{}),
		segments: rec.segments, spare: rec.spare,
		durable:   active.first + Position(active.end),
		stats:     Usage{Last: rec.last},
		committed: make(chan struct{}), prepared: make(chan struct{}),
	}
	s.work.L, s.turn.L = &s.mu, &s.mu
	s.spareWanted = s.spare == nil
	go s.commitLoop()
	go s.prepareLoop()
	return s, nil
}

// startLog makes the first segment of a log.
func (rec *recovered) startLog(opts *Options) error {
	var id [8]byte
	rand.Read(id[:]) //nolint:errcheck // documented never to fail
	rec.logID = binary.LittleEndian.Uint64(id[:])
	g, err := createSegment(opts, rec.logID, rec.start)
	if err != nil {
		return full(err)
	}
	rec.segments = []*segment{g}
	return nil
}

// active is the segment that is being written. Needs mu, or the committer.
func (s *Segments) active() *segment { return s.segments[len(s.segments)-1] }

// fail ends the journal; the first cause counts. Needs mu.
func (s *Segments) fail(cause error) error {
	if s.err == nil {
		s.err = &FailedError{Cause: cause}
		s.work.Broadcast()
		s.turn.Broadcast()
	}
	return s.err
}

// ID implements [Journal].
func (s *Segments) ID() uint64 { return s.logID }

// DurableEnd implements [Journal].
func (s *Segments) DurableEnd() Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.durable
}

// Err implements [Journal].
func (s *Segments) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close implements [Journal]. Frames that wait are committed first, then a
// clean mark is written. It returns the failure that ended the journal, if
// there was one.
func (s *Segments) Close() error {
	s.closeOnce.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *Segments) close() error {
	s.mu.Lock()
	s.closing = true
	s.work.Broadcast()
	s.wakeAppenders()
	s.mu.Unlock()
	<-s.committed

	s.mu.Lock()
	s.stop = true
	s.turn.Broadcast()
	s.mu.Unlock()
	<-s.prepared

	s.trimming.Lock() // no Trim is under way when the directory is given back
	defer s.trimming.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.err, s.active().closeFile(), s.spare.closeFile(), s.lock.Close())
}
