package session

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// Manager owns the sessions of a server. It runs no goroutine unless its
// janitor is started; then [Manager.Stop] waits for it. All methods may be
// called from any goroutine.
type Manager struct {
	cfg      Config
	attached atomic.Int64
	leaving  atomic.Pointer[fault.Error] // not nil: the server drains
	failed   atomic.Pointer[fault.Error] // not nil: the journal failed

	mu        sync.RWMutex
	sessions  map[memory.SessionID]*Session
	forgotten []memory.SessionID // to make place, not yet returned by Expire

	closedMu sync.Mutex
	closed   []*Session // in the order of closing: the first to make place

	janitor janitor
}

// NewManager makes a manager without sessions.
func NewManager(cfg Config) *Manager {
	return &Manager{cfg: cfg.withDefaults(), sessions: map[memory.SessionID]*Session{}}
}

// Spec says which session is meant. A session belongs to one space and, when
// Principal is not empty, to one principal.
type Spec struct {
	ID        memory.SessionID // may be empty for a new session: one is drawn
	Space     memory.SpaceID
	Principal string
	Lane      memory.Lane // of a new session
}

// Restore puts back what was known before a restart. It is called once, after
// replay and before streams are accepted. Each session goes on after its
// durable mark: what was consumed beyond it was lost, and clients send it again.
func (m *Manager) Restore(marks []Marks) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range marks {
		s := m.build(Spec{ID: k.ID, Space: k.Space, Principal: k.Principal, Lane: k.Lane}, k.Incarnation)
		s.next = k.Durable + 1
		s.granted.Through, s.credits.Through = k.Durable, k.Durable
		for _, l := range allLevels {
			s.levels[l] = level{k.Durable, k.Generation}
		}
		s.levels[memory.AckAccepted].generation = 0
		s.levels[memory.AckVisible].through = min(k.Visible, k.Durable)
		s.levels[memory.AckIndexed].through = min(k.Indexed, k.Visible, k.Durable)
		s.counts = k.Counts
		for _, r := range k.Rejections {
			if r.Sequence != 0 && r.Sequence <= k.Durable {
				s.rejections.put(r)
			}
		}
		s.lastUsed = k.LastUsed.UnixNano()
		if k.Closed {
			s.state = Closed
			m.noteClosed(s)
		}
		m.sessions[k.ID] = s
	}
}

// build makes a session that is not in the table yet.
func (m *Manager) build(spec Spec, inc memory.Incarnation) *Session {
	return &Session{
		m: m, id: spec.ID, space: spec.Space, principal: spec.Principal, lane: spec.Lane,
		incarnation: inc, state: Active, next: 1, failed: m.failed.Load(),
	}
}

// Open gives the session that spec names, or makes it when it is not known or
// has no name: created says which. Errors are as for [Manager.Resume], and
// TOO_MANY_SESSIONS.
func (m *Manager) Open(spec Spec) (s *Session, created bool, err error) {
	if f := m.leaving.Load(); f != nil {
		return nil, false, f
	}
	if spec.ID != "" && !memory.ValidName(string(spec.ID)) {
		return nil, false, errName(spec.ID)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if spec.ID == "" {
		spec.ID = memory.NewSessionID()
	}
	if s := m.sessions[spec.ID]; s != nil {
		return s, false, s.admits(spec)
	}
	if len(m.sessions) >= m.cfg.MaxSessions && !m.makePlaceLocked() {
		return nil, false, fault.Retry(fault.ResourceExhausted, fault.TooManySessions, m.cfg.IdleTimeout,
			"the server knows %d sessions, the most allowed; close those that are done", len(m.sessions))
	}
	s = m.build(spec, memory.NewIncarnation())
	s.lastUsed = m.cfg.Clock.Now().UnixNano()
	m.sessions[spec.ID] = s
	return s, true, nil
}

// makePlaceLocked forgets the session that was closed longest ago. Its name is
// then answered by SESSION_EXPIRED instead of SESSION_CLOSED.
func (m *Manager) makePlaceLocked() bool {
	for s := m.popClosed(); s != nil; s = m.popClosed() {
		if m.sessions[s.id] == s {
			m.forgetLocked(s, errExpired(s.id))
			m.forgotten = append(m.forgotten, s.id)
			return true
		}
	}
	return false
}

// Resume gives the session that spec names. One that is not known, or belongs
// to another principal, is SESSION_EXPIRED; one that was closed is
// SESSION_CLOSED; one of another space is SESSION_WRONG_SPACE.
func (m *Manager) Resume(spec Spec) (*Session, error) {
	if !memory.ValidName(string(spec.ID)) {
		return nil, errName(spec.ID)
	}
	if f := m.leaving.Load(); f != nil {
		return nil, f
	}
	m.mu.RLock()
	s := m.sessions[spec.ID]
	m.mu.RUnlock()
	if s == nil {
		return nil, errExpired(spec.ID)
	}
	return s, s.admits(spec)
}

// Lookup gives the session with a name, or SESSION_NOT_FOUND. It may be closed.
func (m *Manager) Lookup(id memory.SessionID) (*Session, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if s := m.sessions[id]; s != nil {
		return s, nil
	}
	return nil, errNotFound(id)
}

// admits says why spec may not have the session, if so.
func (s *Session) admits(spec Spec) error {
	if s.principal != "" && s.principal != spec.Principal {
		return errExpired(s.id)
	}
	if s.space != spec.Space {
		return fault.New(fault.FailedPrecondition, fault.SessionWrongSpace,
			"session %q feeds another space than %q", s.id, spec.Space).In("session_id")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.usableLocked()
}

// Count gives how many sessions are known and how many have a stream.
func (m *Manager) Count() (known, attached int) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.sessions), int(m.attached.Load())
}

// GoAway tells everyone that the server drains: clients are to leave and come
// back after the given time. From here on nothing new is taken.
func (m *Manager) GoAway(after time.Duration) {
	if !m.leaving.CompareAndSwap(nil, errDraining(after)) {
		return
	}
	for _, s := range m.snapshot(nil) {
		s.mu.Lock()
		s.audience(func(o *outbox) {
			if !o.over {
				o.leave = &GoAway{Reason: fault.Draining, Resumable: true, ResumeAfter: after}
				o.wake()
			}
		})
		s.mu.Unlock()
	}
}

// Fail calls [Session.Fail] for every session, those opened later included: the
// journal failed.
func (m *Manager) Fail(err *fault.Error) {
	m.failed.CompareAndSwap(nil, err)
	for _, s := range m.snapshot(nil) {
		s.Fail(err)
	}
}

// snapshot gives the sessions that keep says yes to, or all.
func (m *Manager) snapshot(keep func(*Session) bool) []*Session {
	m.mu.RLock()
	defer m.mu.RUnlock()
	out := make([]*Session, 0, len(m.sessions))
	for _, s := range m.sessions {
		if keep == nil || keep(s) {
			out = append(out, s)
		}
	}
	return out
}

func errName(id memory.SessionID) *fault.Error {
	return fault.New(fault.InvalidArgument, fault.InvalidName,
		"session_id has %d bytes; it must be %d to %d of [a-z0-9_-]",
		len(id), memory.MinNameLength, memory.MaxNameLength).In("session_id")
}
