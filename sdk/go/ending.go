package engram

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// Flush waits until everything observed so far has reached the level of
// FlushTo. When observations were rejected since the last Flush, it returns a
// *RejectedError.
func (s *Session) Flush(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.window.next() - 1
	s.urgent = max(s.urgent, last)
	s.nudge()
	for s.acked[s.opts.flushLevel] < last {
		if s.err != nil {
			return s.err
		}
		if err := s.waitLocked(ctx); err != nil {
			return err
		}
	}
	return s.takeFailures()
}

// Close waits until everything is decided and visible, ends the session for
// good, and returns what the server counted. When ctx ends first, the session
// is given up where it stands.
func (s *Session) Close(ctx context.Context) (Closed, error) {
	s.mu.Lock()
	s.draining = true
	s.urgent = s.window.next()
	s.nudge()
	var err error
	for s.closed == nil && s.err == nil && err == nil {
		err = s.waitLocked(ctx)
	}
	if err == nil && s.closed == nil {
		err = s.err
	}
	s.leave()
	defer s.mu.Unlock()
	if err != nil {
		return Closed{}, err
	}
	return *s.closed, s.takeFailures()
}

// Detach waits until everything is on stable storage and lets go of the session
// without ending it: Resume goes on with it, in this process or another. When
// ctx ends first, Stats says how far it came.
func (s *Session) Detach(ctx context.Context) error {
	s.mu.Lock()
	s.draining, s.detaching = true, true
	s.urgent = s.window.next()
	s.nudge()
	var err error
	for s.acked[Durable] < s.window.next()-1 && s.err == nil && err == nil {
		err = s.waitLocked(ctx)
	}
	if err == nil {
		err = s.err
	}
	s.leave()
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.takeFailures()
}

// leave ends the goroutines, if they still run, and waits for them; mu is held
// before and after.
func (s *Session) leave() {
	if s.err == nil {
		s.err = ErrClosed
	}
	s.mu.Unlock()
	s.cancel()
	<-s.done
	s.mu.Lock()
}

// RejectedError says that observations were not kept, for good; the others were.
type RejectedError struct {
	// Rejections are those since the last Flush, at most 10,000, by number.
	Rejections []Rejection
	// More is how many there were beyond those; OnRejection heard all.
	More int
}

// Error implements error.
func (e *RejectedError) Error() string {
	r := e.Rejections[0]
	text := "engram: " + r.Reason + ": " + r.Message
	if n := len(e.Rejections) - 1 + e.More; n > 0 {
		text += fmt.Sprintf(" (and %d more)", n)
	}
	return text
}

// takeFailures gives what a callback did and what was rejected, since it was
// last asked.
func (s *Session) takeFailures() error {
	thrown := s.thrown
	s.thrown = nil
	if len(s.rejected) == 0 {
		return thrown
	}
	e := &RejectedError{s.rejected, s.rejectedMore}
	slices.SortFunc(e.Rejections, func(a, b Rejection) int { return cmp.Compare(a.Sequence, b.Sequence) })
	s.rejected, s.rejectedMore = nil, 0
	if thrown != nil {
		return errors.Join(thrown, e)
	}
	return e
}

// waitLocked waits for a change; mu is held before and after.
func (s *Session) waitLocked(ctx context.Context) error {
	changed := s.changed
	s.mu.Unlock()
	defer s.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return brokenOff(ctx.Err())
	}
}

// announce wakes whoever waits for a change; mu is held.
func (s *Session) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// nudge wakes the sender.
func (s *Session) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
