package engram_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect/v2"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	engram "github.com/engram-stream/engram/sdk/go"
)

// A batch that the server never saw leaves a gap: the session goes back to it
// at once, and what came after it is sent again.
func TestGapIsFilled(t *testing.T) {
	m := newModel(t, func(s *stream) error {
		if err := s.welcome(roomy); err != nil {
			return err
		}
		lost := uint64(0)
		for lost == 0 { // the second batch is lost on its way
			f, err := s.receive()
			if err != nil {
				return err
			}
			if b := f.GetObservations(); b.FirstSequence > 1 {
				lost = b.FirstSequence
				break
			}
			through, err := s.keep(f.GetObservations())
			if err := errors.Join(err, s.ack(through, roomy, durable)); err != nil {
				return err
			}
		}
		f, err := s.receive() // above the gap: discarded, and said once
		if err != nil || f.GetObservations().GetFirstSequence() <= lost {
			return errors.Join(err, connect.Errorf(connect.CodeInternal, "%v after a gap at %d", f.GetObservations().GetFirstSequence(), lost))
		}
		err = s.send(&v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_Refusal{Refusal: &v1.Refusal{ExpectedSequence: lost, Reason: "SEQUENCE_GAP"}}})
		for err == nil && f.GetObservations().GetFirstSequence() != lost {
			f, err = s.receive()
		}
		if err != nil {
			return err
		}
		through, err := s.keep(f.GetObservations())
		return errors.Join(err, s.ack(through, roomy, durable, visible), s.serve())
	})
	s, ctx := open(t, m, engram.WithBatching(10, 1<<20, 0))
	observe(t, ctx, s, 1, 200)
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	m.want(t, 200)
	if st := s.Stats(); st.Refused != 1 || st.Sent != 200 || st.Resent == 0 || st.Reconnects != 0 {
		t.Fatalf("%+v", st)
	}
}

// A session of which the server kept nothing, and that it no longer knows,
// begins anew at 1, since nothing can be kept twice.
func TestExpiredSessionThatKeptNothingStartsOver(t *testing.T) {
	m := newModel(t, nil)
	m.script = func(s *stream) error {
		switch s.n {
		case 1:
			if err := s.welcome(roomy); err != nil {
				return err
			}
			if _, err := s.receive(); err != nil { // taken, and lost
				return err
			}
			return connect.NewError(connect.CodeUnavailable, "cut")
		case 2:
			m.mu.Lock()
			m.streams = 0 // the next one opens a session
			m.mu.Unlock()
			m.script = func(s *stream) error { return errors.Join(s.welcome(roomy), s.serve()) }
			return fail(connect.CodeNotFound, "SESSION_EXPIRED", 0)
		}
		return connect.NewError(connect.CodeInternal, "a third stream")
	}
	s, ctx := open(t, m)
	observe(t, ctx, s, 1, 100)
	if end, err := s.Close(ctx); err != nil || end.Accepted != 100 {
		t.Fatalf("%+v, %v", end, err)
	}
	m.want(t, 100)
}

// Close does not wait longer than its context while the server is away, and
// says so; the session is over then.
func TestCloseWhileReconnecting(t *testing.T) {
	away := make(chan struct{}, 100)
	m := newModel(t, func(s *stream) error {
		if s.n > 1 {
			away <- struct{}{}
			return fail(connect.CodeUnavailable, "DRAINING", time.Hour)
		}
		if err := s.welcome(roomy); err != nil {
			return err
		}
		_, err := s.receive()
		return errors.Join(err, connect.NewError(connect.CodeUnavailable, "cut"))
	})
	s, ctx := open(t, m)
	observe(t, ctx, s, 1, 10)
	<-away // by now it waits for an hour
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := s.Close(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("close: %v", err)
	}
	if _, err := s.Observe(ctx, engram.Observation{}); !errors.Is(err, engram.ErrClosed) {
		t.Fatalf("observe after close: %v", err)
	}
	if err := s.Flush(ctx); !errors.Is(err, engram.ErrClosed) || !errors.Is(s.Err(), engram.ErrClosed) {
		t.Fatalf("flush after close: %v, err: %v", err, s.Err())
	}
	if st := s.Stats(); st.Durable != 0 || st.Observed != 10 {
		t.Fatalf("%+v", st)
	}
}

// Cancelling what waits harms nothing: the session goes on.
func TestCancelledWaitsLeaveTheSessionAlone(t *testing.T) {
	release := make(chan struct{})
	m := newModel(t, func(s *stream) error {
		if err := s.welcome(roomy); err != nil {
			return err
		}
		f, err := s.receive()
		if err != nil {
			return err
		}
		<-release // acks are slow
		through, err := s.keep(f.GetObservations())
		return errors.Join(err, s.ack(through, roomy, durable, visible), s.serve())
	})
	c, ctx := dial(t, m)
	opening, cancel := context.WithCancel(ctx)
	s, err := c.OpenSession(opening, "notes", engram.WithBuffer(5, 1<<20), engram.NonBlocking())
	if err != nil {
		t.Fatal(err)
	}
	cancel() // was for opening only
	observe(t, ctx, s, 1, 5)
	if _, err := s.Observe(ctx, engram.Observation{ID: "6"}); !errors.Is(err, engram.ErrFull) {
		t.Fatalf("a full buffer: %v", err)
	}
	if err := s.Flush(opening); !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled flush: %v", err)
	}
	close(release)
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	observe(t, ctx, s, 6, 6)
	if _, err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	m.want(t, 6)
}

func TestOpeningIsCancelled(t *testing.T) {
	reached, hang := make(chan struct{}), make(chan struct{})
	m := newModel(t, func(*stream) error {
		close(reached)
		<-hang
		return nil
	})
	t.Cleanup(func() { close(hang) })
	c, ctx := dial(t, m)
	ctx, cancel := context.WithCancel(ctx)
	go func() { <-reached; cancel() }()
	if _, err := c.OpenSession(ctx, "notes"); !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled opening: %v", err)
	}
}

// Acks and grants that come twice, late or of unknown levels move nothing
// backwards, and the callbacks hear of what comes in the order in which it came.
func TestAcksAndStatusAreTold(t *testing.T) {
	m := newModel(t, func(s *stream) error {
		if err := s.welcome(&v1.Credits{ThroughSequence: 3, Bytes: 1 << 40}); err != nil {
			return err
		}
		f, err := s.receive()
		if err != nil {
			return err
		}
		if _, err := s.keep(f.GetObservations()); err != nil {
			return err
		}
		err = errors.Join(
			s.ack(3, roomy, durable), s.ack(1, &v1.Credits{ThroughSequence: 1}, durable), s.ack(3, nil, 77), s.ack(3, nil, visible), s.ack(1, nil, visible),
			s.send(&v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_Status{Status: &v1.SessionStatus{
				State: v1.SessionState_SESSION_STATE_BACKPRESSURE, Cause: "queue_items", Pressure: 0.75, QueueDepth: 3, QueueCapacity: 4,
			}}}))
		if err != nil {
			return err
		}
		// Nothing more is said until the client goes on, on the grant it has.
		if f, err = s.receive(); err != nil {
			return err
		}
		through, err := s.keep(f.GetObservations())
		return errors.Join(err, s.ack(through, nil, durable, visible), s.serve())
	})
	type ack struct {
		level   engram.Level
		through uint64
	}
	var acks []ack
	states := make(chan engram.Status, 1)
	s, ctx := open(t, m, engram.WithBatching(3, 1<<20, time.Millisecond),
		engram.OnAck(func(l engram.Level, through, _ uint64) { acks = append(acks, ack{l, through}) }),
		engram.OnStatus(func(st engram.Status) { states <- st }))
	observe(t, ctx, s, 1, 3)
	if st := <-states; st.State != "BACKPRESSURE" || st.Pressure != 0.75 || st.QueueCapacity != 4 {
		t.Fatalf("%+v", st)
	}
	want := []ack{{engram.Durable, 3}, {engram.Durable, 1}, {77, 3}, {engram.Visible, 3}, {engram.Visible, 1}}
	if !slices.Equal(acks, want) {
		t.Fatalf("acks %v, want %v", acks, want)
	}
	if s.Stats().Durable != 3 || s.Generation() != 3 {
		t.Fatalf("%+v at generation %d", s.Stats(), s.Generation())
	}
	short, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := s.Flush(short); err != nil {
		t.Fatalf("what is visible stays so: %v", err)
	}
	observe(t, ctx, s, 4, 6)
	if err := s.Flush(short); err != nil {
		t.Fatalf("what is granted stays so: %v", err)
	}
	if _, err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	m.want(t, 6)
}

// Acks of what was never sent keep nothing, and do no harm.
func TestAcksOfWhatWasNotSent(t *testing.T) {
	m := newModel(t, func(s *stream) error {
		if err := s.welcome(&v1.Credits{ThroughSequence: 2, Bytes: 1 << 40}); err != nil {
			return err
		}
		f, err := s.receive()
		if err != nil {
			return err
		}
		through, err := s.keep(f.GetObservations())
		if err != nil {
			return err
		}
		err = s.send(&v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_Ack{Ack: &v1.Ack{Status: durable, ThroughSequence: 1 << 40}}})
		return errors.Join(err, s.ack(through, roomy, visible), s.serve())
	})
	s, ctx := open(t, m, engram.WithBatching(2, 1<<20, 0))
	observe(t, ctx, s, 1, 10)
	if end, err := s.Close(ctx); err != nil || end.Accepted != 10 {
		t.Fatalf("%+v, %v", end, err)
	}
	m.want(t, 10)
}

// What became durable while nobody was there to hear it is told on resuming.
func TestAckMissedMeanwhileIsTold(t *testing.T) {
	heard := make(chan struct{})
	m := newModel(t, func(s *stream) error {
		if err := s.welcome(roomy); err != nil {
			return err
		}
		if s.n > 1 {
			<-heard // by the welcome alone
			return s.serve()
		}
		f, err := s.receive()
		if err != nil {
			return err
		}
		through, err := s.keep(f.GetObservations())
		s.mu.Lock()
		s.durable = through
		s.mu.Unlock()
		return errors.Join(err, connect.NewError(connect.CodeUnavailable, "cut"))
	})
	var once sync.Once
	var level engram.Level
	var number uint64
	s, ctx := open(t, m, engram.WithBatching(10, 1<<20, time.Minute), engram.OnAck(func(l engram.Level, through, _ uint64) {
		once.Do(func() {
			level, number = l, through
			close(heard)
		})
	}))
	observe(t, ctx, s, 1, 10)
	if _, err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if level != engram.Durable || number != 10 {
		t.Errorf("told %v through %d", level, number)
	}
	m.want(t, 10)
}

// A server that stumbles over a resume is tried again; one that does not let the
// client in, or does not speak the contract, is not.
func TestWhichFailedResumesAreTriedAgain(t *testing.T) {
	for _, x := range []struct {
		err   error
		final bool
	}{
		{fail(connect.CodeInternal, "INTERNAL", 0), false},
		{fail(connect.CodeResourceExhausted, "TOO_MANY_SESSIONS", time.Millisecond), false},
		{connect.NewError(connect.CodeUnknown, "of something in between"), false},
		{connect.NewError(connect.CodeUnauthenticated, "of something in between"), true},
		{connect.NewError(connect.CodeUnimplemented, "of something else"), true},
		{fail(connect.CodeInvalidArgument, "INVALID_NAME", 0), true},
		{fail(connect.CodeFailedPrecondition, "SESSION_WRONG_SPACE", 0), true},
	} {
		t.Run(x.err.Error(), func(t *testing.T) {
			m := newModel(t, func(s *stream) error {
				if s.n == 2 {
					return x.err
				}
				if err := s.welcome(roomy); err != nil || s.n > 2 {
					return errors.Join(err, s.serve())
				}
				_, err := s.receive()
				return errors.Join(err, connect.NewError(connect.CodeUnavailable, "cut"))
			})
			s, ctx := open(t, m)
			observe(t, ctx, s, 1, 10)
			_, err := s.Close(ctx)
			if !x.final {
				if err != nil {
					t.Fatal(err)
				}
				m.want(t, 10)
				return
			}
			var e *engram.Error
			if !errors.As(err, &e) || e.Code != connect.CodeOf(x.err).String() || m.streams != 2 {
				t.Fatalf("close: %v after %d streams", err, m.streams)
			}
		})
	}
}
