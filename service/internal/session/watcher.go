package session

import (
	"context"
	"slices"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// Watcher follows a session without feeding it: acks, rejections, status,
// go-away and the end, but no refusals. One goroutine calls Next; Close ends
// it.
type Watcher struct {
	s     *Session
	out   outbox
	start Standing
}

// Watch follows the session. levels are as for [Session.Attach].
func (s *Session) Watch(levels []memory.AckLevel) (*Watcher, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usableLocked(); err != nil {
		return nil, err
	}
	if f := s.m.leaving.Load(); f != nil {
		return nil, f
	}
	if n := s.m.cfg.MaxWatchers; len(s.watchers) >= n {
		return nil, fault.Retry(fault.ResourceExhausted, fault.TooManyWaiters, 0,
			"session %q is watched by %d, the most allowed", s.id, n)
	}
	s.touchLocked()
	w := &Watcher{s: s, out: newOutbox(s.m.cfg, levels), start: s.standingLocked()}
	s.watchers = append(s.watchers, w)
	s.greet(&w.out)
	return w, nil
}

// Session gives the session that is followed.
func (w *Watcher) Session() *Session { return w.s }

// Standing gives where the session stood when watching began.
func (w *Watcher) Standing() Standing { return w.start }

// Next is as [Attachment.Next]. A watcher that left too much unread gets a
// fault in place of what it missed; watching anew tells all of it again.
func (w *Watcher) Next(ctx context.Context, buf []Event) ([]Event, error) {
	return w.s.nextEvents(ctx, &w.out, buf)
}

// Close ends watching. It is idempotent.
func (w *Watcher) Close() {
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	w.out.end(nil, nil)
	if i := slices.Index(s.watchers, w); i >= 0 {
		s.watchers = slices.Delete(s.watchers, i, i+1)
		s.touchLocked()
	}
}
