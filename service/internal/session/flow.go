package session

import (
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// Pause stops telling the client of new credits. What is outstanding is
// finished.
func (a *Attachment) Pause() error { return a.turn(Paused) }

// Resume tells the client of credits again, with those that came meanwhile.
func (a *Attachment) Resume() error { return a.turn(Active) }

func (a *Attachment) turn(to State) error {
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := a.fencedLocked(); err != nil {
		return err
	}
	if s.moveLocked(to) {
		s.publishCreditsLocked()
		s.sayStatusLocked()
	}
	return nil
}

// BufferStatus says how many frames the client can still hold: acks are
// coalesced harder as that shrinks.
func (a *Attachment) BufferStatus(frames int) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.out.holds(frames)
}

// Drain closes the session for good once every number up to last has been
// decided and everything decided is visible: the client is told [Ended], and
// Next ends. Until then numbers up to last may still come, for what was
// refused. A stream that breaks meanwhile can resume the drain. Repeating it
// changes nothing.
func (a *Attachment) Drain(last memory.Sequence) error {
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := a.fencedLocked(); err != nil {
		return err
	}
	if s.failed != nil {
		return s.failed
	}
	if s.state == Draining {
		if last != s.drainTo {
			return fault.New(fault.FailedPrecondition, fault.ProtocolOrder,
				"close came again with last_sequence %d; it was %d", last, s.drainTo).In("last_sequence")
		}
		return nil
	}
	if last == ^memory.Sequence(0) {
		return fault.New(fault.InvalidArgument, fault.InvalidSequence,
			"last_sequence is the largest number there is").In("last_sequence")
	}
	s.moveLocked(Draining)
	s.drainTo = last
	s.touchLocked()
	if !s.finishDrainLocked() {
		s.sayStatusLocked()
	}
	return nil
}

// finishDrainLocked closes the session when its drain is complete.
func (s *Session) finishDrainLocked() bool {
	if s.state != Draining || s.next <= s.drainTo || s.levels[memory.AckVisible].through < s.next-1 {
		return false
	}
	s.moveLocked(Closed)
	s.epoch++ // nobody feeds it any more
	last := s.endedLocked()
	s.audience(func(o *outbox) { o.finish(last, nil) })
	s.partLocked()
	s.m.noteClosed(s)
	return true
}

func (s *Session) endedLocked() Ended {
	return Ended{Final: s.next - 1, Accepted: s.acceptedLocked(), Counts: s.counts}
}

// partLocked lets go of streams, calls and watchers, whose outboxes are over.
func (s *Session) partLocked() {
	if s.stream != nil {
		s.stream = nil
		s.m.attached.Add(-1)
	}
	s.call, s.watchers = nil, nil
	s.touchLocked()
	s.signal()
}
