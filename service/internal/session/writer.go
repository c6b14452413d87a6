package session

import (
	"context"
	"io"
	"time"

	"github.com/engram-stream/engram/service/internal/fault"
)

// next waits until o has something to send and appends it to buf.
func (s *Session) nextEvents(ctx context.Context, o *outbox, buf []Event) ([]Event, error) {
	for {
		s.mu.Lock()
		events, wait := o.take(s, buf, s.m.cfg.Clock.Now())
		over, err := o.over, o.err
		s.mu.Unlock()
		if len(events) > len(buf) {
			return events, nil
		}
		if over {
			if err == nil {
				err = io.EOF
			}
			return events, err
		}
		if err := await(ctx, o.ready, wait); err != nil {
			return events, err
		}
	}
}

// await waits for ready, or for d when it is not zero.
func await(ctx context.Context, ready <-chan struct{}, d time.Duration) error {
	var due <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ready:
	case <-due:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// awaitRoom waits until o is below its limit, or over.
func (s *Session) awaitRoom(ctx context.Context, o *outbox) error {
	for {
		s.mu.Lock()
		if o.over || !o.full() {
			s.mu.Unlock()
			return nil
		}
		if o.room == nil {
			o.room = make(chan struct{})
		}
		room := o.room
		s.mu.Unlock()
		if err := await(ctx, room, 0); err != nil {
			return err
		}
	}
}

// audience calls f for the outbox of the stream and of every watcher. The
// caller holds s.mu.
func (s *Session) audience(f func(*outbox)) {
	if s.stream != nil {
		f(&s.stream.out)
	}
	for _, w := range s.watchers {
		f(&w.out)
	}
}

// greet makes o tell where the session stands: the rejections that are kept,
// then the marks, then the status when there is one worth telling.
func (s *Session) greet(o *outbox) {
	o.reject(s.rejections.between(1, s.next), s.errFellBehind)
	for _, l := range allLevels {
		o.again[l] = s.levels[l].through > 0
	}
	o.status = s.statusLocked().State != Active
	o.wake()
}

// errFellBehind is what a client gets that does not read what it asked for.
func (s *Session) errFellBehind() error {
	return fault.Retry(fault.ResourceExhausted, fault.QuotaExceeded, time.Second,
		"the client left more than %d events unread; come back to be told where the session stands", s.m.cfg.hardLimit())
}

func (s *Session) statusLocked() Status {
	st := Status{State: Active}
	if s.pressure != nil {
		st = *s.pressure
	}
	switch {
	case s.failed != nil:
		st.State, st.Cause, st.RetryAfter = Failed, "journal", s.failed.RetryAfter
	case s.state == Draining || s.state == Closed:
		st.State = s.state
	case s.state == Paused:
		st.State, st.Cause = Paused, "client"
	}
	st.Credits = s.credits
	return st
}
