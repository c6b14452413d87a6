package session

import (
	"context"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// Attachment is one stream that feeds a session and is told what becomes of
// it. The stream's reader calls Offer, Accept, Refuse, Pause, Resume,
// BufferStatus and Drain; its writer calls Next; both end with Detach.
type Attachment struct {
	feeder
	out   outbox
	back  goBack
	start Standing
}

// Attach makes a new stream the one that feeds the session. The epoch is
// raised first: a stream or call that fed it before is void from here on, and a
// stream is told so. levels are those to be acknowledged, none being DURABLE
// and VISIBLE; clientBuffer is how many frames the client can hold, 0 being any
// number.
func (s *Session) Attach(levels []memory.AckLevel, clientBuffer int) (*Attachment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usableLocked(); err != nil {
		return nil, err
	}
	if f := s.m.leaving.Load(); f != nil {
		return nil, f
	}
	s.epoch++
	if s.stream != nil {
		s.stream.out.end(GoAway{Reason: fault.SessionTakenOver}, nil)
		s.moveLocked(Active)
	} else {
		s.m.attached.Add(1)
	}
	s.call = nil
	s.touchLocked()
	a := &Attachment{feeder: feeder{s: s, epoch: s.epoch}, out: newOutbox(s.m.cfg, levels)}
	if clientBuffer > 0 {
		a.out.holds(clientBuffer)
	}
	s.stream = a
	s.publishCreditsLocked()
	a.start = s.standingLocked()
	s.greet(&a.out)
	a.out.credits = false // the standing has said them
	return a, nil
}

// Session gives the session that is fed.
func (a *Attachment) Session() *Session { return a.s }

// Grant is [Session.SetCredits], but void once another stream took the session
// over: what was granted to this one was given back with it.
func (a *Attachment) Grant(c memory.Credits) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if a.fencedLocked() == nil {
		a.s.grantLocked(c)
	}
}

// Standing gives where the session stood when the stream was attached: the
// content of init_ack.
func (a *Attachment) Standing() Standing { return a.start }

// Offer says which of the n observations from first are new. It tells the
// client itself of a gap, of rejections among the duplicates, and how far
// duplicates have come. An error ends the stream: the numbers make no sense,
// the stream is void, or it sent too much past a refusal.
//
// For what is to be accepted the caller goes on with Accept, or with Refuse, or
// with Accept for a part and then Refuse.
func (a *Attachment) Offer(first memory.Sequence, n int) (Plan, error) {
	if err := checkRange(first, n); err != nil {
		return Plan{}, err
	}
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := a.fencedLocked(); err != nil {
		return Plan{}, err
	}
	end := first + memory.Sequence(n)
	if s.state == Draining && end > s.drainTo+1 {
		return Plan{}, fault.New(fault.FailedPrecondition, fault.ProtocolOrder,
			"number %d came after close, whose last_sequence is %d", end-1, s.drainTo).In("first_sequence")
	}
	s.touchLocked()
	plan := classify(first, n, s.next)
	a.offered = plan.Accept
	if plan.Duplicates > 0 {
		s.counts.Duplicates += uint64(plan.Duplicates)
		a.repeatLocked(first, min(end, s.next))
	}
	if plan.Discarded > 0 {
		news, exceeded := a.back.discard(n, s.m.cfg.DiscardLimit)
		if exceeded {
			return Plan{}, fault.New(fault.FailedPrecondition, fault.WindowExceeded,
				"more than %d observations came without number %d, which was refused or left out", s.m.cfg.DiscardLimit, s.next)
		}
		if news {
			a.sayRefusalLocked(errGap(s.next, first))
		}
	}
	if plan.Accept > 0 {
		a.back.arrived()
		if f := s.unavailableLocked(); f != nil {
			plan.Discarded, plan.Accept, a.offered = plan.Accept, 0, 0
			s.counts.Refused++
			a.back.begin()
			a.sayRefusalLocked(f)
		}
	}
	return plan, nil
}

// repeatLocked says again what became of the duplicates first..end-1.
func (a *Attachment) repeatLocked(first, end memory.Sequence) {
	a.out.reject(a.s.rejections.between(first, end), a.s.errFellBehind)
	for _, l := range allLevels {
		a.out.again[l] = a.out.again[l] || a.s.levels[l].through >= first
	}
	a.out.wake()
}

func (a *Attachment) sayRefusalLocked(f *fault.Error) {
	if !a.out.over {
		a.out.refusal = &Refusal{Expected: a.s.next, Fault: f}
		a.out.wake()
	}
}

// Accept consumes the next n numbers of the last offer, of which those in
// rejected get no row, and runs hand with the first of them. hand puts the
// observations, and the rejections in their place, into the pipeline; it must
// neither block nor call the session. The rejections are queued for the client
// before hand runs, so no ack can overtake them. After an error nothing is
// consumed and hand has not run: the caller gives back what it reserved.
func (a *Attachment) Accept(n int, rejected []memory.Rejection, hand func(first memory.Sequence)) error {
	return a.accept(n, rejected, hand)
}

// Refuse says that nothing is consumed from the next number on, why, and when
// to try again. Whatever follows is discarded until that number comes again.
func (a *Attachment) Refuse(f *fault.Error) error {
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := a.fencedLocked(); err != nil {
		return err
	}
	a.offered = 0
	s.counts.Refused++
	a.back.begin()
	a.sayRefusalLocked(f)
	return nil
}

// Next waits until there is something to tell the client and appends it to buf,
// in the order in which it must be sent. At the end of the stream it returns
// io.EOF, or the fault that ended it.
func (a *Attachment) Next(ctx context.Context, buf []Event) ([]Event, error) {
	return a.s.nextEvents(ctx, &a.out, buf)
}

// Room waits while the client has left too much unread. The reader calls it
// before each frame, so that a client that never reads stalls itself.
func (a *Attachment) Room(ctx context.Context) error { return a.s.awaitRoom(ctx, &a.out) }

// Tell queues something of the caller's for the client, after waiting for room.
// On a stream that is over it does nothing.
func (a *Attachment) Tell(ctx context.Context, v any) error {
	for {
		if err := a.Room(ctx); err != nil {
			return err
		}
		a.s.mu.Lock()
		if over := a.out.over; over || !a.out.full() {
			if !over {
				a.out.customs = append(a.out.customs, v)
				a.out.wake()
			}
			a.s.mu.Unlock()
			return nil
		}
		a.s.mu.Unlock()
	}
}

// Detach ends the stream; the session can be resumed. It is idempotent, and
// does nothing to a session that another stream took over.
func (a *Attachment) Detach() {
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	a.out.end(nil, nil)
	if s.stream != a {
		return
	}
	s.epoch++
	s.stream = nil
	s.m.attached.Add(-1)
	if s.state == Paused { // the wish was the stream's
		s.moveLocked(Active)
		s.publishCreditsLocked()
	}
	s.touchLocked()
}
