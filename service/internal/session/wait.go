package session

import (
	"context"

	"github.com/engram-stream/engram/service/internal/memory"
)

// Wait waits until every number up to seq has reached a level, and gives a
// generation at which they are visible. It ends early with the fault when the
// journal fails or the session's space is dropped, and with the context's
// error. seq may be a number that has not come yet.
func (s *Session) Wait(ctx context.Context, l memory.AckLevel, seq memory.Sequence) (memory.Generation, error) {
	if l == memory.AckNone {
		return 0, nil
	}
	l = min(l, memory.AckIndexed)
	for {
		s.mu.Lock()
		m, gone, failed, closed := s.levels[l], s.gone, s.failed, s.state == Closed
		switch {
		case m.through >= seq:
			s.mu.Unlock()
			return m.generation, nil
		case gone != nil:
			s.mu.Unlock()
			return 0, gone
		case failed != nil:
			s.mu.Unlock()
			return 0, failed
		case closed && seq >= s.next: // it will never come
			s.mu.Unlock()
			return 0, errClosed(s.id)
		}
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		if err := await(ctx, changed, 0); err != nil {
			return 0, err
		}
	}
}
