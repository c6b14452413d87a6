package session

import (
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// feeder is the right to feed a session, held by one stream or one call at a
// time: it is void once the session's epoch has moved on.
type feeder struct {
	s       *Session
	epoch   uint64
	offered int // of the last offer, not accepted yet; guarded by s.mu
}

func (f *feeder) fencedLocked() error {
	if f.epoch != f.s.epoch {
		if err := f.s.usableLocked(); err != nil {
			return err
		}
		return errTakenOver()
	}
	return f.s.usableLocked()
}

// accept consumes the next n numbers of the offer and runs hand with the first
// of them. Two locks give the guarantee: under s.mu the numbers are taken in
// one step with the check of the epoch, and s.feed is held until they are in
// the pipeline, so a successor's numbers come after them.
func (f *feeder) accept(n int, rejected []memory.Rejection, hand func(first memory.Sequence)) error {
	s := f.s
	s.feed.Lock()
	defer s.feed.Unlock()

	s.mu.Lock()
	err := f.fencedLocked()
	if err == nil && (n < 0 || n > f.offered) {
		err = fault.New(fault.Internal, fault.Bug, "accepted %d numbers of an offer of %d", n, f.offered)
	}
	first := s.next
	end := first + memory.Sequence(max(n, 0))
	for i := range rejected {
		if q := rejected[i].Sequence; err == nil && (q < first || q >= end) {
			err = fault.New(fault.Internal, fault.Bug, "rejected number %d of the accepted %d..%d", q, first, end-1)
		}
	}
	if err != nil {
		s.mu.Unlock()
		return err
	}
	s.next = end
	f.offered -= n
	for _, r := range rejected {
		s.rejectLocked(r)
	}
	s.mu.Unlock()

	if hand != nil && n > 0 {
		hand(first)
	}
	return nil
}

// unavailableLocked says why nothing new is taken from anyone now: the two
// exceptions from "inside the grant is not refused".
func (s *Session) unavailableLocked() *fault.Error {
	if s.failed != nil {
		return s.failed
	}
	return s.m.leaving.Load()
}
