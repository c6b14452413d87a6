package journal

import "github.com/engram-stream/engram/service/internal/vfs"

// prepareLoop is the preparer: it makes the next segment whenever one is wanted
// and there is none. It ends when stop is set.
func (s *Segments) prepareLoop() {
	defer close(s.prepared)
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for !s.stop && (!s.spareWanted || s.spare != nil || s.err != nil) {
			s.turn.Wait()
		}
		if s.stop {
			return
		}
		s.spareWanted = false
		first := s.active().past() // stays: there is no spare to move on to
		s.mu.Unlock()
		g, err := createSegment(&s.opts, s.logID, first)
		s.mu.Lock()
		s.spare, s.spareErr = g, err
		s.attempts++
		if err != nil && !vfs.IsNoSpace(err) {
			_ = s.fail(err)
		}
		s.turn.Broadcast()
	}
}

// requestSpare wakes the preparer. Needs mu.
func (s *Segments) requestSpare() {
	s.spareWanted = true
	s.turn.Broadcast()
}

// takeSpare gives the next segment to the committer. When it is not ready it
// waits for one attempt to make it; without room the error is ErrFull.
func (s *Segments) takeSpare() (*segment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spare == nil {
		s.requestSpare()
		for seen := s.attempts; s.attempts == seen && s.spare == nil && s.err == nil; {
			s.turn.Wait()
		}
	}
	switch {
	case s.err != nil:
		return nil, s.err
	case s.spare == nil:
		return nil, full(s.spareErr)
	}
	g := s.spare
	s.spare, s.spareWanted = nil, false
	return g, nil
}
