package engram

import (
	"strings"
	"time"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// receiveAll takes the server's frames until the stream ends.
func (s *Session) receiveAll(st duplex) leave {
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
				return leave{err: &Error{Code: "unavailable", Reason: "TRANSPORT", Message: "the server ended the stream", Retryable: true}}
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

// isFinal reports whether an error of the stream says that coming back is of
// no use.
func isFinal(err error) bool {
	e, ok := err.(*Error) //nolint:errorlint // fromWire makes nothing else
	return ok && !e.Retryable && e.Reason != "TRANSPORT" && e.Code != "unavailable" && e.Code != "canceled" && e.Code != "internal" && e.Code != "unknown"
}

// take acts on one frame and tells the callbacks.
func (s *Session) take(m *v1.MemoryStreamResponse) {
	switch f := m.Frame.(type) {
	case *v1.MemoryStreamResponse_Ack:
		s.mu.Lock()
		s.progress = true
		s.raise(Level(f.Ack.Status), f.Ack.ThroughSequence)
		s.gen = max(s.gen, f.Ack.Generation)
		s.grant(f.Ack.Credits)
		s.announce()
		s.mu.Unlock()
		s.nudge()
		if s.opts.onAck != nil {
			s.opts.onAck(Level(f.Ack.Status), f.Ack.ThroughSequence, f.Ack.Generation)
		}
	case *v1.MemoryStreamResponse_Rejection:
		r := rejectionOf(f.Rejection)
		if s.heard(r) && s.opts.onRejection != nil {
			s.opts.onRejection(r)
		}
	case *v1.MemoryStreamResponse_Refusal:
		s.refused(f.Refusal)
	case *v1.MemoryStreamResponse_Status:
		s.mu.Lock()
		s.grant(f.Status.Credits)
		s.batch = s.maxBatch
		if n := int(f.Status.SuggestedBatchSize); n > 0 {
			s.batch = min(s.batch, n)
		}
		s.mu.Unlock()
		s.nudge()
		if s.opts.onStatus != nil {
			s.opts.onStatus(Status{
				State: strings.TrimPrefix(f.Status.State.String(), "SESSION_STATE_"), Cause: f.Status.Cause, Pressure: f.Status.Pressure,
				QueueDepth: f.Status.QueueDepth, QueueCapacity: f.Status.QueueCapacity, RetryAfter: f.Status.RetryAfter.AsDuration(),
				SuggestedBatch: int(f.Status.SuggestedBatchSize),
			})
		}
	case *v1.MemoryStreamResponse_Closed:
		c := f.Closed
		s.mu.Lock()
		s.closed = &Closed{FinalSequence: c.FinalSequence, Accepted: c.Accepted, Rejected: c.Rejected, Refused: c.Refused, Duplicates: c.Duplicates}
		s.announce()
		s.mu.Unlock()
	case *v1.MemoryStreamResponse_RecallResults:
		if s.recalls != nil {
			s.recalls.answer(f.RecallResults)
		}
	}
}

// heard keeps a rejection for Flush; false when it was heard before.
func (s *Session) heard(r Rejection) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
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

// refused goes back to where the server wants it, once it wants it.
func (s *Session) refused(r *v1.Refusal) {
	s.mu.Lock()
	s.stats.Refused++
	if r.ExpectedSequence >= s.window.first && r.ExpectedSequence <= s.sent {
		for seq := r.ExpectedSequence; seq <= s.sent && seq < s.window.next(); seq++ {
			s.unacked -= s.window.at(seq).size
		}
		s.unacked = max(0, s.unacked)
		s.sent = r.ExpectedSequence - 1
		s.rewinds++
	}
	s.grant(r.Credits)
	if d := r.RetryAfter.AsDuration(); d > 0 {
		s.hold = time.Now().Add(d)
	}
	s.announce()
	s.mu.Unlock()
	s.nudge()
}
