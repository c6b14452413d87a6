package session

import (
	"slices"
	"strings"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// List gives up to limit sessions in the order of their ids, from the one after
// the given id on; only those of space, unless it is empty.
func (m *Manager) List(space memory.SpaceID, after memory.SessionID, limit int) []Info {
	all := m.snapshot(func(s *Session) bool { return s.id > after && (space == "" || s.space == space) })
	slices.SortFunc(all, func(a, b *Session) int { return strings.Compare(string(a.id), string(b.id)) })
	infos := make([]Info, 0, min(len(all), max(limit, 0)))
	for _, s := range all[:cap(infos)] {
		infos = append(infos, s.Info())
	}
	return infos
}

// Marks gives what has to be kept over a restart of the sessions of a space,
// or of all when it is empty, in no order.
func (m *Manager) Marks(space memory.SpaceID) []Marks {
	all := m.snapshot(func(s *Session) bool { return space == "" || s.space == space })
	marks := make([]Marks, len(all))
	for i, s := range all {
		marks[i] = s.Marks()
	}
	return marks
}

// Close ends a session by an operator's wish: its stream is sent go-away and it
// cannot be resumed. What was accepted goes on to be kept. Closing a closed
// session changes nothing.
func (m *Manager) Close(id memory.SessionID) (Info, error) {
	s, err := m.Lookup(id)
	if err != nil {
		return Info{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moveLocked(Closed) {
		s.epoch++
		s.audience(func(o *outbox) { o.finish(GoAway{Reason: fault.SessionClosed}, nil) })
		s.partLocked()
		m.noteClosed(s)
	}
	return s.infoLocked(), nil
}

// DropSpace forgets the sessions of a deleted space; their clients are told.
func (m *Manager) DropSpace(space memory.SpaceID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sessions {
		if s.space == space {
			m.forgetLocked(s, fault.New(fault.NotFound, fault.SpaceDeleted, "space %q was deleted", space))
		}
	}
}

// forgetLocked takes s out of the table; whoever still holds it gets why. The
// caller holds m.mu.
func (m *Manager) forgetLocked(s *Session, why *fault.Error) {
	delete(m.sessions, s.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = why
	s.epoch++
	s.audience(func(o *outbox) { o.end(GoAway{Reason: why.Reason}, nil) })
	s.partLocked()
}
