package session

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/engram-stream/engram/service/internal/memory"
)

// janitor is the one goroutine of a [Manager]: it expires sessions in turns.
type janitor struct {
	start, stop sync.Once
	quit, done  chan struct{}
}

// Start runs Expire every tenth of the idle time-out until Stop, and passes on
// what was forgotten, with no lock held. Starting again does nothing.
func (m *Manager) Start(forgotten func([]memory.SessionID)) {
	m.janitor.start.Do(func() {
		m.janitor.quit, m.janitor.done = make(chan struct{}), make(chan struct{})
		go func() {
			defer close(m.janitor.done)
			tick := time.NewTicker(max(m.cfg.IdleTimeout/10, time.Millisecond))
			defer tick.Stop()
			for {
				select {
				case <-m.janitor.quit:
					return
				case <-tick.C:
				}
				if ids := m.Expire(m.cfg.Clock.Now()); len(ids) > 0 && forgotten != nil {
					forgotten(ids)
				}
			}
		}()
	})
}

// Stop ends the janitor and waits for it. The manager can still be used, but
// the janitor does not start again.
func (m *Manager) Stop() {
	m.janitor.start.Do(func() {}) // never started: there is nothing to wait for
	m.janitor.stop.Do(func() {
		if m.janitor.quit != nil {
			close(m.janitor.quit)
			<-m.janitor.done
		}
	})
}

// Expire frees what idle sessions keep besides their marks, and forgets the
// sessions that were last used longer than the retention ago. It returns the
// names of those forgotten since it was called last, so that their marks can be
// dropped elsewhere too.
func (m *Manager) Expire(now time.Time) []memory.SessionID {
	idle := now.Add(-m.cfg.IdleTimeout).UnixNano()
	old := now.Add(-m.cfg.Retention).UnixNano()
	var due []*Session
	for _, s := range m.snapshot(nil) {
		s.mu.Lock()
		if s.unusedSinceLocked(idle) {
			s.shrinkLocked()
		}
		if s.unusedSinceLocked(old) {
			due = append(due, s)
		}
		s.mu.Unlock()
	}
	slices.SortFunc(due, func(a, b *Session) int { return strings.Compare(string(a.id), string(b.id)) }) // else as a map happens to be walked
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range due {
		s.mu.Lock()
		still := m.sessions[s.id] == s && s.unusedSinceLocked(old) // it may have been used since
		s.mu.Unlock()
		if still {
			m.forgetLocked(s, errExpired(s.id))
			m.forgotten = append(m.forgotten, s.id)
		}
	}
	m.compactClosedLocked()
	ids := m.forgotten
	m.forgotten = nil
	return ids
}

// noteClosed remembers that s may make place for another.
func (m *Manager) noteClosed(s *Session) {
	m.closedMu.Lock()
	defer m.closedMu.Unlock()
	m.closed = append(m.closed, s)
}

// popClosed gives the session that was closed longest ago, or nil.
func (m *Manager) popClosed() *Session {
	m.closedMu.Lock()
	defer m.closedMu.Unlock()
	if len(m.closed) == 0 {
		return nil
	}
	s := m.closed[0]
	m.closed[0] = nil
	m.closed = m.closed[1:]
	return s
}

// compactClosedLocked drops closed sessions that are no longer in the table.
// The caller holds m.mu.
func (m *Manager) compactClosedLocked() {
	m.closedMu.Lock()
	defer m.closedMu.Unlock()
	m.closed = slices.DeleteFunc(m.closed, func(s *Session) bool { return m.sessions[s.id] != s })
}

func (s *Session) unusedSinceLocked(t int64) bool {
	return s.stream == nil && s.call == nil && len(s.watchers) == 0 && s.lastUsed <= t
}

// shrinkLocked leaves of an idle session what its marks need: the newest
// rejections, without their texts.
func (s *Session) shrinkLocked() {
	s.watchers = nil
	s.pressure = nil
	if n := len(s.rejections); cap(s.rejections) > s.m.cfg.IdleRejections || (n > 0 && s.rejections[n-1].Message != "") {
		s.rejections.shrink(s.m.cfg.IdleRejections)
	}
}
