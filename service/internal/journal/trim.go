package journal

import "fmt"

// Trim implements [Journal]: it removes sealed segments that end at or before
// the position, the oldest first. Each removal is made durable before the next
// one, so that a crash cannot leave a hole.
func (s *Segments) Trim(before Position) error {
	s.trimming.Lock()
	defer s.trimming.Unlock()
	for {
		s.mu.Lock()
		oldest, err := s.segments[0], s.err
		if s.closing {
			err = ErrClosed
		}
		trims := len(s.segments) > 1 && oldest.past() <= before
		if err == nil && trims {
			// Off the list first: from here on a Read does not begin there.
			s.segments = append([]*segment(nil), s.segments[1:]...)
		}
		s.mu.Unlock()
		if err != nil || !trims {
			return err
		}
		if err := s.opts.FS.Remove(oldest.name); err != nil {
			return s.failWith(fmt.Errorf("trim: %w", err))
		}
		if err := s.opts.FS.SyncDir(s.opts.Dir); err != nil {
			return s.failWith(fmt.Errorf("trim: %w", err))
		}
	}
}
