package session

import (
	"time"

	"github.com/engram-stream/engram/service/internal/memory"
)

// allLevels are the levels that can be acknowledged, in the order in which an
// observation reaches them.
var allLevels = [...]memory.AckLevel{memory.AckAccepted, memory.AckDurable, memory.AckVisible, memory.AckIndexed}

// outbox is what one client has yet to be told. It keeps what has to be told
// one by one (rejections, custom values) in order and the rest only in its
// newest form: an ack per level, one refusal, one status. So a slow client
// costs no more than a fast one, save for rejections, which are bounded by
// what it has outstanding.
//
// Session.mu guards it.
type outbox struct {
	wanted [memory.AckLevelCount]bool
	sent   [memory.AckLevelCount]memory.Sequence
	again  [memory.AckLevelCount]bool // to be sent though nothing is new

	rejections []memory.Rejection
	customs    []any
	refusal    *Refusal
	status     bool // the state or the pressure changed
	credits    bool // the grant changed
	leave      *GoAway
	last       Event // after which nothing follows
	err        error // what Next returns at the end; nil is io.EOF
	over       bool  // nothing will be added any more

	limit, hard int
	pace        time.Duration // between two lots of acks
	paced       time.Time     // when acks went last

	ready chan struct{} // capacity 1: there may be something to send
	room  chan struct{} // closed when the outbox has been emptied; nil: nobody waits
}

func newOutbox(cfg Config, levels []memory.AckLevel) outbox {
	o := outbox{limit: cfg.OutboxLimit, hard: cfg.hardLimit(), ready: make(chan struct{}, 1)}
	if len(levels) == 0 {
		levels = []memory.AckLevel{memory.AckDurable, memory.AckVisible}
	}
	for _, l := range levels {
		if l < memory.AckLevelCount {
			o.wanted[l] = true
		}
	}
	return o
}

// wake tells the writer that there may be something to send.
func (o *outbox) wake() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

// full reports whether whoever adds to the outbox should wait.
func (o *outbox) full() bool { return len(o.rejections)+len(o.customs) >= o.limit }

// reject queues rejections. An outbox past its hard limit is ended with fell:
// its client can come back and is told from the start.
func (o *outbox) reject(rs []memory.Rejection, fell func() error) {
	if o.over || len(rs) == 0 {
		return
	}
	if len(o.rejections)+len(rs) > o.hard {
		o.end(nil, fell())
		return
	}
	o.rejections = append(o.rejections, rs...)
	o.wake()
}

// end lets last be the only thing still told, and then err (nil is io.EOF).
// Whoever comes later in place of this client is told all of it again.
func (o *outbox) end(last Event, err error) {
	if o.over {
		return
	}
	o.rejections, o.customs, o.refusal, o.status, o.credits, o.leave = nil, nil, nil, false, false, nil
	o.wanted = [memory.AckLevelCount]bool{}
	o.finish(last, err)
}

// finish lets last be told after everything that waits, and then err.
func (o *outbox) finish(last Event, err error) {
	if o.over {
		return
	}
	o.over, o.last, o.err = true, last, err
	o.wake()
	o.makeRoom()
}

func (o *outbox) makeRoom() {
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
}

// urgent reports whether something waits that pacing does not hold back.
func (o *outbox) urgent() bool {
	return o.over || o.refusal != nil || o.status || o.leave != nil || len(o.rejections)+len(o.customs) > 0
}

// take appends to buf what is to be sent now, in the order in which it must be
// sent: rejections before the acks that cover them. When acks are held back by
// pacing it returns how long to wait for them.
func (o *outbox) take(s *Session, buf []Event, now time.Time) (events []Event, wait time.Duration) {
	events = buf
	if o.pace > 0 && !o.urgent() && (o.credits || o.owesAck(s)) {
		if wait = o.paced.Add(o.pace).Sub(now); wait > 0 && wait <= o.pace {
			return events, wait
		}
	}
	for _, r := range o.rejections {
		events = append(events, Rejected{r})
	}
	o.rejections = o.rejections[:0]
	carried := false
	for _, l := range allLevels {
		m := s.levels[l]
		if !o.wanted[l] || (m.through <= o.sent[l] && !o.again[l]) {
			continue
		}
		o.sent[l], o.again[l] = m.through, false
		events = append(events, Ack{Level: l, Through: m.through, Generation: m.generation, Credits: s.credits})
		carried, o.paced = true, now
	}
	if o.refusal != nil {
		r := *o.refusal
		r.Credits = s.credits
		events = append(events, r)
		o.refusal, carried = nil, true
	}
	if o.status || (o.credits && !carried) {
		events = append(events, s.statusLocked())
		o.status, o.paced = false, now
	}
	o.credits = false
	for i, v := range o.customs {
		events = append(events, Custom{v})
		o.customs[i] = nil
	}
	o.customs = o.customs[:0]
	if o.leave != nil {
		events = append(events, *o.leave)
		o.leave = nil
	}
	if o.last != nil {
		events = append(events, o.last)
		o.last = nil
	}
	if cap(o.rejections) > o.limit {
		o.rejections = nil
	}
	o.makeRoom()
	return events, 0
}

func (o *outbox) owesAck(s *Session) bool {
	for _, l := range allLevels {
		if o.wanted[l] && (o.again[l] || s.levels[l].through > o.sent[l]) {
			return true
		}
	}
	return false
}

// holds sets how closely acks follow one another from how many frames the
// client can still hold: every 1 to 64 ms below 64 frames, at once above.
func (o *outbox) holds(frames int) {
	const plenty = 64
	o.pace = time.Duration(plenty-min(max(frames, 0), plenty)) * time.Millisecond
	o.wake()
}
