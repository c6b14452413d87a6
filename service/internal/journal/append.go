package journal

import (
	"context"
	"slices"
	"time"
)

// entry is a frame on its way to the disk.
type entry struct {
	prefix  prefix // all but back
	fields  []byte
	payload []byte // the caller's
	records int
	seal    bool // no frame: what was queued before it is to end its segment
	queued  time.Time
	done    func(Position, error)
	pos     Position // once written
}

// encode does what can be done before the position is known, so that the
// committer has little left to do.
func (s *Segments) encode(f *Frame) (*entry, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	fields := appendFields(make([]byte, 0, 128+64*len(f.Runs)), f)
	if size := prefixSize + int64(len(fields)) + int64(len(f.Payload)); size > s.opts.MaxFrameBytes {
		return nil, &FrameError{Field: "encoded size", Size: size, Limit: s.opts.MaxFrameBytes}
	}
	return &entry{
		prefix: prefix{
			fieldsLen: uint32(len(fields)), payloadLen: uint32(len(f.Payload)),
			fieldsCRC: checksum(fields), payloadCRC: checksum(f.Payload),
		},
		fields: fields, payload: f.Payload, records: f.Records(),
	}, nil
}

// Append implements [Journal].
func (s *Segments) Append(ctx context.Context, f *Frame) (Position, error) {
	e, err := s.encode(f)
	if err != nil {
		return 0, err
	}
	return s.await(ctx, e)
}

// await enqueues e, as soon as there is room, and waits for its outcome.
func (s *Segments) await(ctx context.Context, e *entry) (Position, error) {
	type outcome struct {
		pos Position
		err error
	}
	result := make(chan outcome, 1)
	e.done = func(pos Position, err error) { result <- outcome{pos, err} }
	for {
		room, err := s.enqueue(e)
		if err == nil {
			break
		}
		if room == nil {
			return 0, err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	select {
	case o := <-result:
		return o.pos, o.err
	case <-ctx.Done():
		if s.withdraw(e) {
			return 0, ctx.Err()
		}
		// It is being written: the payload is in use, and whether the frame
		// will be there is about to be known.
		o := <-result
		return o.pos, o.err
	}
}

// AppendAsync implements [Journal]. When too many frames wait, it returns
// [ErrQueueFull] at once.
func (s *Segments) AppendAsync(f *Frame, done func(Position, error)) error {
	e, err := s.encode(f)
	if err != nil {
		return err
	}
	e.done = done
	_, err = s.enqueue(e)
	return err
}

// enqueue puts e at the end of the queue. With ErrQueueFull comes a channel
// that is closed when it is worth trying again.
func (s *Segments) enqueue(e *entry) (room <-chan struct{}, err error) {
	size := e.prefix.size()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing:
		return nil, ErrClosed
	case s.err != nil:
		return nil, s.err
	case len(s.queue) > 0 && (len(s.queue) >= s.opts.QueueFrames || s.queuedBytes+size > s.opts.QueueBytes):
		return s.room, ErrQueueFull
	}
	e.queued = s.opts.Clock.Now()
	s.queue = append(s.queue, e)
	s.queuedBytes += size
	s.work.Signal()
	return nil, nil
}

// withdraw takes e out of the queue, and reports whether it was still there.
func (s *Segments) withdraw(e *entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.queue, e)
	if i < 0 {
		return false
	}
	s.queue = slices.Delete(s.queue, i, i+1)
	s.queuedBytes -= e.prefix.size()
	s.wakeAppenders()
	return true
}

// wakeAppenders lets those who wait for room try again. Needs mu.
func (s *Segments) wakeAppenders() {
	close(s.room)
	s.room = make(chan struct{})
}
