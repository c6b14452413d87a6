package session

import (
	"sync"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// level is how far one ack level has come.
type level struct {
	through    memory.Sequence
	generation memory.Generation
}

// Session is one client's numbered stream of observations into one space. It
// outlives the streams and calls that feed it. The zero value is not usable;
// a [Manager] owns every session. All methods may be called from any
// goroutine.
type Session struct {
	m           *Manager
	id          memory.SessionID
	space       memory.SpaceID
	principal   string
	incarnation memory.Incarnation
	lane        memory.Lane

	feed sync.Mutex // see the package comment

	mu         sync.Mutex
	state      State
	gone       *fault.Error // not nil: forgotten, or its space was dropped
	failed     *fault.Error // not nil: the journal failed
	epoch      uint64       // raised by every stream and call: older ones are void
	next       memory.Sequence
	drainTo    memory.Sequence
	levels     [memory.AckLevelCount]level
	credits    memory.Credits
	granted    memory.Credits // as credits, but not yet told while PAUSED
	pressure   *Status        // nil: none was told of
	rejections rejections
	counts     Counts
	lastUsed   int64 // Unix nanoseconds
	stream     *Attachment
	call       *Call
	watchers   []*Watcher
	changed    chan struct{} // closed when levels or state change; nil: nobody waits
}

// ID is the session's name.
func (s *Session) ID() memory.SessionID { return s.id }

// Space is the space it feeds.
func (s *Session) Space() memory.SpaceID { return s.space }

// Incarnation tells it from other sessions that had its name.
func (s *Session) Incarnation() memory.Incarnation { return s.incarnation }

// Lane is the priority its observations wait under.
func (s *Session) Lane() memory.Lane { return s.lane }

// Info gives where the session stands.
func (s *Session) Info() Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.infoLocked()
}

// Marks gives what has to be kept of the session over a restart.
func (s *Session) Marks() Marks {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.marksLocked()
}

// Reject records that a number was consumed without a row, and tells the
// client. It is for what the pipeline finds out after the number was accepted,
// and must be called before the [Session.Advance] that covers the number. A
// number is rejected once: repetitions are ignored.
func (s *Session) Reject(r memory.Rejection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Sequence == 0 || r.Sequence >= s.next {
		return
	}
	s.rejectLocked(r)
}

func (s *Session) rejectLocked(r memory.Rejection) {
	if !s.rejections.put(r) {
		return
	}
	s.counts.Rejected++
	if w := memory.Sequence(s.m.cfg.Window); s.next > w {
		s.rejections.prune(s.next - w)
	}
	s.audience(func(o *outbox) { o.reject([]memory.Rejection{r}, s.errFellBehind) })
}

// Advance records that every number up to through is decided at a level, and so
// at all levels below it, and that they are visible at generation. Marks only
// rise: old and repeated values change nothing, and nothing passes the numbers
// consumed so far.
func (s *Session) Advance(l memory.AckLevel, through memory.Sequence, generation memory.Generation) {
	if l == memory.AckNone || l >= memory.AckLevelCount {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	through = min(through, s.next-1)
	raised := false
	for _, low := range allLevels[:l] {
		if m := &s.levels[low]; through > m.through {
			m.through, raised = through, true
			if low != memory.AckAccepted {
				m.generation = max(m.generation, generation)
			}
		}
	}
	if !raised {
		return
	}
	s.audience((*outbox).wake)
	s.finishDrainLocked()
	s.signal()
}

// SetCredits extends the grant and tells the client, with the next ack or by
// itself. Through never goes back. While the client has paused the session, the
// grant is kept until it resumes. Called before [Session.Advance], it travels
// with the ack.
func (s *Session) SetCredits(c memory.Credits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grantLocked(c)
}

func (s *Session) grantLocked(c memory.Credits) {
	c.Through = max(c.Through, s.granted.Through)
	s.granted = c
	s.publishCreditsLocked()
}

// Regrant replaces the grant without telling the client: a new stream starts
// from what init_ack says, since the places of the stream before it were given
// back when that ended.
func (s *Session) Regrant(c memory.Credits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.granted, s.credits = c, c
}

func (s *Session) publishCreditsLocked() {
	if s.state == Paused || s.credits == s.granted {
		return
	}
	s.credits = s.granted
	s.audience(func(o *outbox) {
		o.credits = true
		o.wake()
	})
}

// PushStatus tells the client of a change of pressure; of several in a row it
// is told the newest. The credits in it are ignored: see [Session.SetCredits].
func (s *Session) PushStatus(st Status) {
	st.Credits = memory.Credits{}
	if st.State == Unspecified {
		st.State = Active
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pressure == nil || *s.pressure != st {
		s.pressure = &st
		s.sayStatusLocked()
	}
}

func (s *Session) sayStatusLocked() {
	s.audience(func(o *outbox) {
		o.status = !o.over
		o.wake()
	})
}

// Fail records that the journal failed: nothing new is taken, waits end with
// err, and the client's status is ERROR. It lasts until a restart.
func (s *Session) Fail(err *fault.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil || err == nil {
		return
	}
	s.failed = err
	s.sayStatusLocked()
	s.signal()
}

// Rejections gives those of the n numbers from first that were rejected, as far
// as they are kept.
func (s *Session) Rejections(first memory.Sequence, n int) []memory.Rejection {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]memory.Rejection(nil), s.rejections.between(first, first+memory.Sequence(max(n, 0)))...)
}

// moveLocked changes the state when the lifecycle allows it.
func (s *Session) moveLocked(to State) bool {
	if !s.state.canBecome(to) {
		return false
	}
	s.state = to
	return true
}

func (s *Session) touchLocked() { s.lastUsed = s.m.cfg.Clock.Now().UnixNano() }

// signal wakes whoever waits for a change. The caller holds s.mu.
func (s *Session) signal() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// usableLocked says why the session cannot be fed, if it cannot.
func (s *Session) usableLocked() error {
	switch {
	case s.gone != nil:
		return s.gone
	case s.state == Closed:
		return errClosed(s.id)
	}
	return nil
}
