package session

import (
	"time"

	"github.com/engram-stream/engram/service/internal/memory"
)

// Counts are the totals over the life of a session.
type Counts struct {
	// Rejected is how many numbers were consumed without a row.
	Rejected uint64
	// Refused is how many times something was refused; it may have been kept
	// later.
	Refused uint64
	// Duplicates is how many numbers arrived again and were not applied again.
	Duplicates uint64
}

// Marks are what is kept of a session over a restart.
type Marks struct {
	ID          memory.SessionID
	Incarnation memory.Incarnation
	Space       memory.SpaceID
	Principal   string
	Lane        memory.Lane
	// Durable is the last number whose outcome is on stable storage; the
	// session goes on from the next.
	Durable memory.Sequence
	// Visible and Indexed are how far replay has come, at most Durable.
	Visible, Indexed memory.Sequence
	// Generation is where everything up to Durable is visible.
	Generation memory.Generation
	Closed     bool
	LastUsed   time.Time
	// Rejections are the final rejections up to Durable that are still to be
	// repeated, the newest Window of them at most.
	Rejections []memory.Rejection
	Counts     Counts
}

// Info is what an operator sees of a session.
type Info struct {
	ID       memory.SessionID
	Space    memory.SpaceID
	State    State
	Attached bool
	Lane     memory.Lane
	Next     memory.Sequence
	Durable  memory.Sequence
	Visible  memory.Sequence
	Credits  memory.Credits
	LastUsed time.Time
	// Accepted is how many numbers were consumed and not rejected (yet).
	Accepted uint64
	Counts   Counts
}

// Standing is where a session stood when a stream or a watcher joined it: what
// the first frame to the client says.
type Standing struct {
	ID memory.SessionID
	// Next is the number expected next.
	Next memory.Sequence
	// Durable is the number up to which the client may forget.
	Durable memory.Sequence
	Credits memory.Credits
	// Epoch numbers the streams and calls of the session, for logs.
	Epoch uint64
}

func (s *Session) marksLocked() Marks {
	d := s.levels[memory.AckDurable]
	m := Marks{
		ID: s.id, Incarnation: s.incarnation, Space: s.space, Principal: s.principal, Lane: s.lane,
		Durable: d.through, Visible: s.levels[memory.AckVisible].through, Indexed: s.levels[memory.AckIndexed].through,
		Generation: d.generation, Closed: s.state == Closed, LastUsed: time.Unix(0, s.lastUsed), Counts: s.counts,
	}
	m.Rejections = append(m.Rejections, s.rejections.between(1, d.through+1)...)
	m.Counts.Rejected -= uint64(len(s.rejections) - len(m.Rejections)) // these may yet be lost, and come again
	return m
}

func (s *Session) infoLocked() Info {
	return Info{
		ID: s.id, Space: s.space, State: s.state, Attached: s.stream != nil, Lane: s.lane, Next: s.next,
		Durable: s.levels[memory.AckDurable].through, Visible: s.levels[memory.AckVisible].through,
		Credits: s.credits, LastUsed: time.Unix(0, s.lastUsed), Accepted: s.acceptedLocked(), Counts: s.counts,
	}
}

func (s *Session) standingLocked() Standing {
	return Standing{
		ID: s.id, Next: s.next, Durable: s.levels[memory.AckDurable].through, Credits: s.credits, Epoch: s.epoch,
	}
}

func (s *Session) acceptedLocked() uint64 {
	return uint64(s.next-1) - min(uint64(s.next-1), s.counts.Rejected)
}
