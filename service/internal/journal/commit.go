package journal

import (
	"fmt"

	"github.com/engram-stream/engram/service/internal/failpoint"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// maxCommitBytes bounds one write, and so how long those wait who came first.
const maxCommitBytes = 4 << 20

// commitLoop is the committer. It ends when the journal is closing and the
// queue is empty.
func (s *Segments) commitLoop() {
	defer close(s.committed)
	for batch := s.take(); batch != nil; batch = s.take() {
		s.commit(batch)
	}
	s.markClean()
}

// take waits for frames and takes those that go into one commit: up to
// maxCommitBytes, and nothing behind a seal.
func (s *Segments) take() []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) == 0 {
		if s.closing {
			return nil
		}
		s.work.Wait()
	}
	n, bytes := 0, int64(0)
	for n < len(s.queue) && (n == 0 || bytes+s.queue[n].prefix.size() <= maxCommitBytes) {
		bytes += s.queue[n].prefix.size()
		n++
		if s.queue[n-1].seal {
			break
		}
	}
	batch := s.queue[:n:n]
	s.queue = s.queue[n:]
	if len(s.queue) == 0 {
		s.queue = nil // lets go of the array that holds the batch
	}
	s.queuedBytes -= bytes
	s.wakeAppenders()
	return batch
}

// commit makes the batch durable, in as many segments as it takes. A seal, if
// there is one, is its last entry.
func (s *Segments) commit(batch []*entry) {
	for len(batch) > 0 {
		if err := s.Err(); err != nil {
			finish(batch, err)
			return
		}
		frames := batch
		if batch[len(batch)-1].seal {
			frames = batch[:len(batch)-1]
		}
		active := s.active()
		n, off := 0, active.end
		for n < len(frames) && off+frames[n].prefix.size()+markSize <= active.capacity {
			off += frames[n].prefix.size()
			n++
		}
		if n == len(batch) {
			_ = s.write(batch, nil) // everyone has been told
			return
		}
		if len(frames) == 0 && active.end == headerSize {
			finish(batch, nil) // there is nothing to seal
			return
		}
		// The rest goes into the next segment, which has to be there before
		// this one is sealed.
		next, err := s.takeSpare()
		if err != nil {
			if n > 0 {
				_ = s.write(frames[:n], nil)
			}
			finish(batch[n:], err)
			return
		}
		if err := s.write(frames[:n], next); err != nil {
			// Without the seal the rest has no place either.
			finish(batch[n:], err)
			return
		}
		batch = batch[n:] // a seal that is left finds the segment empty
	}
}

// finish tells everyone in the batch the outcome.
func finish(batch []*entry, err error) {
	for _, e := range batch {
		if err != nil {
			e.done(0, err)
		} else {
			e.done(e.pos, nil)
		}
	}
}

// write is one commit: the batch, which fits the active segment, in one write
// and one sync. With next, the segment is sealed and next becomes the active
// one. It tells everyone in the batch, and returns, the outcome.
func (s *Segments) write(batch []*entry, next *segment) error {
	active := s.active()
	b := s.buf[:0]
	var last Position
	records := 0
	for _, e := range batch {
		e.pos = active.first + Position(active.end) + Position(len(b))
		e.prefix.back = uint32(len(b))
		b = e.prefix.append(b, s.logID, e.pos)
		b = append(b, e.fields...)
		b = append(b, e.payload...)
		last, records = e.pos, records+e.records
	}
	if next != nil {
		b = s.appendMark(b, active, kindSeal)
	}
	if cap(b) <= 2*maxCommitBytes {
		s.buf = b
	}

	c := Commit{Frames: len(batch), Records: records, Bytes: int64(len(b))}
	if len(batch) > 0 {
		c.Wait = s.opts.Clock.Now().Sub(batch[0].queued)
	}
	err := s.store(active, b, &c)

	s.mu.Lock()
	if err == nil {
		active.end += int64(len(b))
		active.clean = false
		if last != 0 {
			s.stats.Last = last
		}
		s.stats.LastCommit = c.Write + c.Sync
		if next != nil {
			s.segments = append(s.segments, next)
			s.requestSpare()
		}
		s.durable = s.active().first + Position(s.active().end)
	} else if next != nil {
		s.spare = next // was not used
	}
	s.mu.Unlock()
	if err == nil && next != nil {
		// Everything in it is durable; what closing says does not matter.
		_ = active.closeFile()
	}
	c.Err = err
	finish(batch, err)
	if s.opts.Observe != nil {
		s.opts.Observe(c)
	}
	return err
}

// store writes b at the end of the segment and syncs it. Any failure ends the
// journal, but for a full disk that is found before the sync and taken back.
func (s *Segments) store(g *segment, b []byte, c *Commit) error {
	if err := g.reserve(); err != nil {
		if vfs.IsNoSpace(err) {
			return full(err)
		}
		return s.failWith(fmt.Errorf("reserve room: %w", err))
	}
	start := s.opts.Clock.Now()
	err := failpoint.Hit(failpoint.JournalWrite)
	if err == nil {
		_, err = g.file.WriteAt(b, g.end)
	}
	written := s.opts.Clock.Now()
	c.Write = written.Sub(start)
	if vfs.IsNoSpace(err) {
		if cutErr := g.cut(); cutErr != nil {
			return s.failWith(fmt.Errorf("take back a write to a full disk: %w", cutErr))
		}
		return full(err)
	}
	if err != nil {
		return s.failWith(fmt.Errorf("write commit: %w", err))
	}
	err = failpoint.Hit(failpoint.JournalSync)
	if err == nil && failpoint.Hit(failpoint.JournalSkip) == nil {
		err = g.file.Sync()
	}
	c.Sync = s.opts.Clock.Now().Sub(written)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Syncs++
	if err != nil {
		s.stats.SyncErrors++
		return s.fail(fmt.Errorf("sync commit: %w", err))
	}
	return nil
}

func (s *Segments) failWith(cause error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fail(cause)
}

// full is ErrFull with its cause, when that is what err says.
func full(err error) error {
	if vfs.IsNoSpace(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// appendMark appends a frame of the journal's own. A seal belongs to the commit
// that fills the segment; a clean mark is a commit of its own.
func (s *Segments) appendMark(b []byte, g *segment, kind Kind) []byte {
	fields := appendFields(nil, &Frame{Kind: kind, CommitTime: s.opts.Clock.Now().UnixNano()})
	p := prefix{back: uint32(len(b)), fieldsLen: uint32(len(fields)), fieldsCRC: checksum(fields), payloadCRC: checksum(nil)}
	b = p.append(b, s.logID, g.first+Position(g.end)+Position(len(b)))
	return append(b, fields...)
}

// markClean is the last commit: it proves that the one before it was finished,
// so that damage to that one cannot pass for a torn write. Without room for it
// the log is as it is after a crash.
func (s *Segments) markClean() {
	active := s.active()
	if s.Err() != nil || active.clean || active.end == headerSize || active.end+2*markSize > active.capacity {
		return
	}
	var c Commit
	b := s.appendMark(nil, active, kindClean)
	if s.store(active, b, &c) != nil {
		return // a failure is kept in err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	active.end += int64(len(b))
	active.clean = true
	s.durable = active.first + Position(active.end)
}
