package engram

import (
	"context"
	"time"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// sendAll sends what there is to send on a stream until it ends. heard is set
// when the receiver's word was taken from gone.
func (s *Session) sendAll(ctx context.Context, st duplex, gone <-chan leave) (why leave, heard bool) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	closing := false
	for {
		m, wait := s.nextFrame(&closing)
		if m != nil {
			if err := st.send(m); err != nil {
				return leave{err: fromWire(err)}, false
			}
			continue
		}
		timer.Reset(wait)
		select {
		case <-s.wake:
		case <-timer.C:
		case why := <-gone:
			return why, true
		case <-ctx.Done():
			return leave{err: ctx.Err(), final: true}, false
		}
	}
}

// forever is a wait that only an event ends.
const forever = time.Hour

// nextFrame takes what may be sent now, or says how long to wait for it.
func (s *Session) nextFrame(closing *bool) (*v1.MemoryStreamRequest, time.Duration) {
	if s.recalls != nil {
		if m := s.recalls.next(); m != nil {
			return m, 0
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if wait := time.Until(s.hold); wait > 0 {
		return nil, wait
	}
	// What stands at the end of the window when draining begins is the last.
	last := s.window.next() - 1
	first := s.sent + 1
	var batch []*v1.Observation
	size := int64(0)
	full := false
	for seq := first; seq <= last; seq++ {
		h := s.window.at(seq)
		if full = len(batch) >= s.batch || (size+h.size > int64(s.opts.batchBytes) && len(batch) > 0); full {
			break
		}
		if seq > s.credits.GetThroughSequence() || (s.unacked+size > 0 && s.unacked+size+h.size > int64(s.credits.GetBytes())) {
			full = true // more cannot be had now: go with what there is
			break
		}
		batch = append(batch, h.observation)
		size += h.size
	}
	full = full || len(batch) >= s.batch
	switch {
	case len(batch) == 0 && s.draining && !s.detaching && !*closing && s.sent == last:
		*closing, s.closing = true, true
		return &v1.MemoryStreamRequest{Frame: &v1.MemoryStreamRequest_Close{Close: &v1.SessionClose{Drain: true, LastSequence: last}}}, 0
	case len(batch) == 0:
		return nil, forever
	case !full && s.opts.linger > 0 && first+uint64(len(batch))-1 > s.urgent:
		if wait := s.lingers(first); wait > 0 {
			return nil, wait
		}
	}
	s.lingering = 0
	s.sent += uint64(len(batch))
	s.taken = max(s.taken, s.sent)
	s.unacked += size
	if s.recalls != nil {
		s.announce() // a recall waits until what it has to see is under way
	}
	if s.sent > s.everSent {
		fresh := min(uint64(len(batch)), s.sent-s.everSent)
		s.stats.Sent += fresh
		s.stats.Resent += uint64(len(batch)) - fresh
		s.everSent = s.sent
	} else {
		s.stats.Resent += uint64(len(batch))
	}
	return &v1.MemoryStreamRequest{Frame: &v1.MemoryStreamRequest_Observations{Observations: &v1.ObservationBatch{FirstSequence: first, Observations: batch}}}, 0
}

// lingers says how much longer the first waiting observation waits for company;
// the first time it is asked, the wait begins.
func (s *Session) lingers(first uint64) time.Duration {
	now := time.Now()
	if s.lingering != first {
		s.lingering, s.lingerTill = first, now.Add(s.opts.linger)
	}
	return s.lingerTill.Sub(now)
}
