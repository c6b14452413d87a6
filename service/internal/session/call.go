package session

import (
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// Call is the exclusive use of a session by one unary Observe. One goroutine
// uses it and calls End.
type Call struct{ feeder }

// Unary gives the session to one call, until its End. It fails with
// SESSION_BUSY while a stream or another call has it. A stream that is attached
// later takes the session over, and the call's later Offer and Accept fail;
// what it had accepted goes on.
func (s *Session) Unary() (*Call, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usableLocked(); err != nil {
		return nil, err
	}
	if s.state == Draining {
		return nil, fault.New(fault.FailedPrecondition, fault.ProtocolOrder, "session %q is closing", s.id)
	}
	if s.stream != nil || s.call != nil {
		return nil, fault.New(fault.FailedPrecondition, fault.SessionBusy,
			"session %q is in use by another stream or call", s.id)
	}
	if f := s.unavailableLocked(); f != nil {
		return nil, f
	}
	s.epoch++
	s.touchLocked()
	s.call = &Call{feeder{s: s, epoch: s.epoch}}
	return s.call, nil
}

// Offer says which of the n observations from first are new; nothing is ever
// discarded: a gap is the error SEQUENCE_GAP, which names the number expected.
func (c *Call) Offer(first memory.Sequence, n int) (Plan, error) {
	if err := checkRange(first, n); err != nil {
		return Plan{}, err
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := c.fencedLocked(); err != nil {
		return Plan{}, err
	}
	plan := classify(first, n, s.next)
	if plan.Discarded > 0 {
		return Plan{}, errGap(s.next, first)
	}
	c.offered = plan.Accept
	s.counts.Duplicates += uint64(plan.Duplicates)
	return plan, nil
}

// Accept is as [Attachment.Accept].
func (c *Call) Accept(n int, rejected []memory.Rejection, hand func(first memory.Sequence)) error {
	return c.accept(n, rejected, hand)
}

// Refuse counts that the call was refused; the caller answers with the fault.
func (c *Call) Refuse() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.offered = 0
	c.s.counts.Refused++
}

// Session gives the session that is used.
func (c *Call) Session() *Session { return c.s }

// Next gives the number the session expects next.
func (c *Call) Next() memory.Sequence {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return c.s.next
}

// End gives the session back. It is idempotent.
func (c *Call) End() {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.call == c {
		s.epoch++
		s.call = nil
		s.touchLocked()
	}
}
