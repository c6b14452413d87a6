package engram

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"connectrpc.com/connect/v2"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// leave is why a stream ended, as its receiver saw it.
type leave struct {
	err   error         // nil: the session is over in good order
	after time.Duration // when to come back, if the server said
	final bool          // coming back is of no use
}

// connect opens a stream, introduces the session and takes over where the
// server says it stands. A server that says nothing is given up in time.
func (s *Session) connect(ctx context.Context) (duplex, error) {
	inner, cancel := context.WithCancel(ctx)
	timeout := time.AfterFunc(s.opts.connectTimeout, cancel)
	st, err := s.introduce(inner)
	if !timeout.Stop() && ctx.Err() == nil {
		if err == nil {
			st.close()
		}
		err = transportError("the server did not answer within "+s.opts.connectTimeout.String(), nil)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return bounded{st, cancel}, nil
}

// bounded is a stream that ends its context with itself.
type bounded struct {
	duplex
	cancel context.CancelFunc
}

func (b bounded) close() {
	b.duplex.close()
	b.cancel()
}

// introduce opens a stream and exchanges init and init_ack.
func (s *Session) introduce(ctx context.Context) (duplex, error) {
	st, err := s.dial(ctx)
	if err != nil {
		return nil, fromWire(err)
	}
	s.mu.Lock()
	init := &v1.SessionInit{Space: s.space, MustExist: s.opts.mustExist, SessionId: s.id, Priority: v1.Priority(s.opts.priority), AckLevels: s.levels()}
	s.mu.Unlock()
	if err := st.send(&v1.MemoryStreamRequest{Frame: &v1.MemoryStreamRequest_Init{Init: init}}); err != nil && !ended(err) {
		st.close()
		return nil, fromWire(err)
	}
	m, err := st.receive()
	if err != nil {
		st.close()
		return nil, fromWire(err)
	}
	ack := m.GetInitAck()
	if ack == nil {
		st.close()
		return nil, &Error{Code: connect.CodeInternal.String(), Reason: "PROTOCOL_ORDER", Message: "the server's first frame is not init_ack"}
	}
	missed, err := s.welcome(ack)
	if err != nil {
		st.close()
		return nil, err
	}
	if missed != nil {
		s.tellAck(*missed)
	}
	return st, nil
}

// welcome takes over where the server says the session stands, at the beginning
// of a stream. It returns the ack that nobody was there to hear, if there is one.
func (s *Session) welcome(ack *v1.InitAck) (missed *Ack, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.welcomed { // 1, or resumed from another process
		s.window.first, s.taken, s.welcomed = ack.NextSequence, ack.NextSequence-1, true
	}
	s.unsettled = s.taken
	if err := s.consistent(ack.NextSequence); err != nil {
		return nil, err
	}
	if s.everSent > 0 && ack.DurableSequence > s.acked[Durable] {
		missed = &Ack{Durable, ack.DurableSequence, s.gen}
		s.acks.put(uint64(Durable), *missed)
	}
	s.id, s.credits, s.batch = ack.SessionId, ack.Credits, s.opts.batch
	if n := int(ack.MaxBatchSize); n > 0 {
		s.batch = min(s.batch, n)
	}
	s.maxBatch = s.batch
	s.raise(Durable, ack.DurableSequence)
	if ack.NextSequence-1 < s.sent {
		s.rewinds++
	}
	s.sent = ack.NextSequence - 1
	s.unacked = 0
	for seq := s.window.first; seq <= s.sent && seq < s.window.next(); seq++ {
		s.unacked += s.window.at(seq).size
	}
	s.announce()
	return missed, nil
}

// consistent fails when the number that the server expects is one the session
// cannot go on from; mu is held.
func (s *Session) consistent(next uint64) error {
	switch {
	case next < s.window.first:
		// They were accepted from a process that is gone, and lost in a crash
		// before they were durable.
		return &Error{
			Code: connect.CodeDataLoss.String(), Reason: "PAYLOADS_GONE",
			Message: fmt.Sprintf("the server asks for number %d again, and this session holds nothing before %d: observe the lost ones again in a new session", next, s.window.first),
		}
	case next > s.taken+1:
		return &Error{
			Code: connect.CodeAborted.String(), Reason: "SESSION_TAKEN_OVER",
			Message: fmt.Sprintf("the server expects number %d, and has taken none above %d of this session: another process has used it", next, s.taken),
		}
	}
	return nil
}

// levels are the levels to be acked: DURABLE, for the window, and what Flush
// waits for.
func (s *Session) levels() []v1.AckLevel {
	out := []v1.AckLevel{v1.AckLevel_ACK_LEVEL_DURABLE, v1.AckLevel_ACK_LEVEL_VISIBLE}
	if l := s.opts.flushLevel; l != Durable && l != Visible {
		out = append(out, v1.AckLevel(l))
	}
	return out
}

// run keeps the session connected until it is over. It is the sender's
// goroutine.
func (s *Session) run(ctx context.Context, st duplex) {
	defer close(s.done)
	defer s.client.letGo(s)
	defer s.cancel()
	defer func() {
		if p := recover(); p != nil {
			s.end(defect(p))
		}
	}()
	var pace pace
	for {
		began := time.Now()
		gone := make(chan leave, 1)
		go func() { gone <- s.receiveAll(st) }()
		why, heard := s.sendAll(ctx, st, gone)
		if !heard {
			// What the server said counts for more than that sending failed,
			// and may still be on its way: closing now would cut it off.
			why = lastWord(ctx, st, gone)
		}
		st.close()
		if ctx.Err() != nil || why.final || (why.err == nil && why.after == 0) {
			s.end(why.err)
			return
		}
		if s.recalls != nil {
			s.recalls.cut()
		}
		var err error
		if st, err = s.reconnect(ctx, why, pace.next(s.opts.reconnect, s.progressed() || time.Since(began) > maxBackoff)); err != nil {
			s.end(s.lostAnswer(err))
			return
		}
	}
}

// progressed says whether the server acked anything since it was last asked.
func (s *Session) progressed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.progress
	s.progress = false
	return was
}

// lostAnswer makes a good end of err when it says that the session is closed,
// it was this session that closed it, and everything is known to be kept: only
// the answer was lost, with the stream.
func (s *Session) lostAnswer(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.window.next() - 1
	if ReasonOf(err) != "SESSION_CLOSED" || !s.closing || s.detaching || s.acked[Durable] < last {
		return err
	}
	s.closed = &Closed{FinalSequence: last, Inferred: true}
	s.raise(Visible, last)
	return nil
}

// lastWordTimeout is how long a server that takes no more may take to say why.
const lastWordTimeout = 2 * time.Second

// lastWord waits for the receiver's end, and brings it about when it takes too
// long.
func lastWord(ctx context.Context, st duplex, gone <-chan leave) leave {
	t := time.NewTimer(lastWordTimeout)
	defer t.Stop()
	select {
	case l := <-gone:
		return l
	case <-t.C:
	case <-ctx.Done():
	}
	st.close()
	return <-gone
}

// reconnect tries until it succeeds, the server says it never will, or the
// time for it is over.
func (s *Session) reconnect(ctx context.Context, why leave, p *pace) (duplex, error) {
	last, wait := why.err, why.after
	if !p.fresh {
		wait = max(wait, p.NextBackOff(), retryAfter(why.err))
	}
	for {
		left := time.Until(p.deadline)
		if left <= 0 {
			return nil, last
		}
		if err := pause(ctx, min(wait, left)); err != nil {
			return nil, err
		}
		if wait > left {
			return nil, last
		}
		st, err := s.connect(ctx)
		if err == nil {
			s.mu.Lock()
			s.stats.Reconnects++
			s.mu.Unlock()
			return st, nil
		}
		if ReasonOf(err) == "SESSION_EXPIRED" && s.startOver() {
			wait = 0
			continue
		}
		if isFinal(err) {
			return nil, err
		}
		last, wait = err, max(p.NextBackOff(), retryAfter(err))
	}
}

func retryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// startOver lets a session of which the server kept nothing begin anew; false
// when something was kept, since it would be kept twice.
func (s *Session) startOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.id == "" || s.acked[Durable] > 0 || s.window.first != 1 {
		return false
	}
	s.id, s.taken = "", 0
	return true
}

// defect is the error of a panic in the client's own code.
func defect(p any) error {
	return &Error{Code: connect.CodeInternal.String(), Reason: "CLIENT_BUG", Message: fmt.Sprintf("the session failed: %v\n%s", p, debug.Stack())}
}

// end records why the session is over.
func (s *Session) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
		if err == nil || s.closed != nil {
			s.err = ErrClosed
		}
	}
	s.announce()
	if s.recalls != nil {
		s.recalls.fail(s.err)
	}
}
