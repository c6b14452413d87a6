package engram

import (
	"errors"
	"strings"
	"time"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// receiveAll takes the server's frames until the stream ends.
func (s *Session) receiveAll(st duplex) (why leave) {
	defer func() {
		if p := recover(); p != nil {
			why = leave{err: defect(p), final: true}
		}
	}()
	var away *v1.GoAway
	for {
		m, err := st.receive()
		if err != nil {
			s.mu.Lock()
			over := s.closed != nil
			s.mu.Unlock()
			switch {
			case over:
				return leave{}
			case away != nil:
				return leave{err: goneAway(away), after: max(away.ResumeAfter.AsDuration(), time.Millisecond), final: !away.Resumable}
			case ended(err):
				return leave{err: transportError("the server ended the stream", nil)}
			}
			e := fromWire(err)
			return leave{err: e, final: isFinal(e)}
		}
		switch f := m.Frame.(type) {
		case *v1.MemoryStreamResponse_GoAway:
			away = f.GoAway
			if !away.Resumable {
				return leave{err: goneAway(away), final: true}
			}
		default:
			s.take(m)
		}
	}
}

func goneAway(g *v1.GoAway) error {
	return &Error{Code: "aborted", Reason: g.Reason, Message: "the server asked this stream to go away", Retryable: g.Resumable, RetryAfter: g.ResumeAfter.AsDuration()}
}

// isFinal reports whether an error says that coming back is of no use.
func isFinal(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return true
	}
	if e.Reason == "TRANSPORT" || e.Reason == "DEADLINE" {
		// Even from something in between, these do not pass.
		return e.Code == "unauthenticated" || e.Code == "permission_denied" || e.Code == "unimplemented"
	}
	return !e.Retryable && e.Code != "unavailable" && e.Code != "canceled" && e.Code != "internal" && e.Code != "unknown"
}

// take acts on one frame and tells whoever listens.
func (s *Session) take(m *v1.MemoryStreamResponse) {
	switch f := m.Frame.(type) {
	case *v1.MemoryStreamResponse_Ack:
		ack := Ack{Level(f.Ack.Status), f.Ack.ThroughSequence, f.Ack.Generation}
		s.change(func() {
			s.progress = true
			s.raise(ack.Level, ack.Through)
			s.gen = max(s.gen, ack.Generation)
			s.grant(f.Ack.Credits)
			s.acks.put(uint64(ack.Level), ack)
		})
		s.tellAck(ack)
	case *v1.MemoryStreamResponse_Rejection:
		r, fresh := rejectionOf(f.Rejection), false
		s.change(func() {
			if fresh = s.heard(r); fresh {
				s.rejections.put(r.Sequence, r)
			}
		})
		if fresh && s.opts.onRejection != nil {
			s.tell(func() { s.opts.onRejection(r) })
		}
	case *v1.MemoryStreamResponse_Refusal:
		s.change(func() { s.refused(f.Refusal) })
	case *v1.MemoryStreamResponse_Status:
		st := statusOf(f.Status)
		s.change(func() {
			s.grant(f.Status.Credits)
			s.batch = s.maxBatch
			if n := int(f.Status.SuggestedBatchSize); n > 0 {
				s.batch = min(s.batch, n)
			}
			s.pressure.put(0, st)
		})
		if s.opts.onStatus != nil {
			s.tell(func() { s.opts.onStatus(st) })
		}
	case *v1.MemoryStreamResponse_Closed:
		c := f.Closed
		s.change(func() {
			s.closed = &Closed{FinalSequence: c.FinalSequence, Accepted: c.Accepted, Rejected: c.Rejected, Refused: c.Refused, Duplicates: c.Duplicates}
			s.raise(Visible, c.FinalSequence)
		})
	case *v1.MemoryStreamResponse_RecallResults:
		if s.recalls != nil {
			s.recalls.answer(f.RecallResults)
		}
	}
}

// change does f with the session locked and wakes whoever waits, and the sender.
func (s *Session) change(f func()) {
	defer s.nudge()
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.announce()
}

func statusOf(st *v1.SessionStatus) Status {
	return Status{
		State: strings.TrimPrefix(st.State.String(), "SESSION_STATE_"), Cause: st.Cause, Pressure: st.Pressure,
		QueueDepth: st.QueueDepth, QueueCapacity: st.QueueCapacity, RetryAfter: st.RetryAfter.AsDuration(),
		SuggestedBatch: int(st.SuggestedBatchSize),
	}
}

// heard keeps a rejection for Flush; false when it was heard before. mu is held.
func (s *Session) heard(r Rejection) bool {
	if r.Sequence <= s.told {
		for _, seq := range s.recent {
			if seq == r.Sequence {
				return false
			}
		}
	}
	s.told = max(s.told, r.Sequence)
	s.recent = append(s.recent, r.Sequence)
	if len(s.recent) > maxRecent {
		s.recent = append(s.recent[:0], s.recent[maxRecent/2:]...)
	}
	s.stats.Rejected++
	if len(s.rejected) < maxKept {
		s.rejected = append(s.rejected, r)
	} else {
		s.rejectedMore++
	}
	return true
}

// maxRecent bounds the rejected numbers that are remembered to tell repeated
// rejections apart: as many as a server repeats.
const maxRecent = 8192

// raise records that everything through a number has reached a level, and so
// the levels below.
func (s *Session) raise(l Level, through uint64) {
	if l < Accepted || l > Indexed {
		return // of a newer server
	}
	through = min(through, s.taken) // nothing is kept that was not sent
	for ; l >= Accepted; l-- {
		s.acked[l] = max(s.acked[l], through)
	}
	for seq := s.window.first; seq <= min(s.acked[Durable], s.sent); seq++ {
		if seq < s.window.next() {
			s.unacked -= s.window.at(seq).size
		}
	}
	s.unacked = max(0, s.unacked)
	s.window.drop(s.acked[Durable])
}

func (s *Session) grant(c *v1.Credits) {
	if c != nil && c.ThroughSequence >= s.credits.GetThroughSequence() {
		s.credits = c
	}
}

// refused goes back to where the server wants it, once it wants it. mu is held.
func (s *Session) refused(r *v1.Refusal) {
	s.stats.Refused++
	if r.ExpectedSequence >= s.window.first && r.ExpectedSequence <= s.sent {
		for seq := r.ExpectedSequence; seq <= s.sent && seq < s.window.next(); seq++ {
			s.unacked -= s.window.at(seq).size
		}
		s.unacked = max(0, s.unacked)
		s.sent = r.ExpectedSequence - 1
		s.taken = max(s.unsettled, s.sent)
		s.rewinds++
	}
	s.grant(r.Credits)
	if d := r.RetryAfter.AsDuration(); d > 0 {
		s.hold = time.Now().Add(d)
	}
}
