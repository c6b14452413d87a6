package engram_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"connectrpc.com/connect/v2"

	engram "github.com/engram-stream/engram/sdk/go"
)

// The answer to a close is lost with the stream. If everything was acked, the
// session is closed as it should be; if not, nobody knows.
func TestCloseWhoseAnswerIsLost(t *testing.T) {
	for _, acked := range []bool{true, false} {
		t.Run(fmt.Sprint("acked=", acked), func(t *testing.T) { closeWithoutAnswer(t, acked) })
	}
}

func closeWithoutAnswer(t *testing.T, acked bool) {
	m := newModel(t, func(s *stream) error {
		if err := s.welcome(roomy); err != nil {
			return err
		}
		for {
			f, err := s.receive()
			if err != nil {
				return err
			}
			if f.GetClose() != nil {
				s.mu.Lock()
				s.ended = true
				s.mu.Unlock()
				return connect.NewError(connect.CodeUnavailable, "cut")
			}
			through, err := s.keep(f.GetObservations())
			if err != nil {
				return err
			}
			if acked {
				if err := s.ack(through, roomy, durable); err != nil {
					return err
				}
			}
		}
	})
	s, ctx := open(t, m)
	observe(t, ctx, s, 1, 10)
	end, err := s.Close(ctx)
	m.want(t, 10)
	if !acked {
		if engram.ReasonOf(err) != "SESSION_CLOSED" {
			t.Fatalf("close: %+v, %v", end, err)
		}
		return
	}
	if err != nil || !end.Inferred || end.FinalSequence != 10 {
		t.Fatalf("close: %+v, %v", end, err)
	}
}

// A crashed server asks for what an earlier process had sent: that is lost,
// and has to be said.
func TestPayloadsOfAnEarlierProcessAreGone(t *testing.T) {
	m := newModel(t, nil)
	m.script = func(s *stream) error {
		if s.n > 1 {
			m.mu.Lock()
			m.next = 6
			m.mu.Unlock()
			return errors.Join(s.welcome(roomy), s.serve())
		}
		if err := s.welcome(roomy); err != nil {
			return err
		}
		if _, err := s.receive(); err != nil {
			return err
		}
		return connect.NewError(connect.CodeUnavailable, "crash")
	}
	m.next, m.durable, m.kept = 11, 5, slices.Repeat([]string{"x"}, 10)
	s, ctx := open(t, m, engram.Resume("earlier"))
	if seq, err := s.Observe(ctx, engram.Observation{ID: "11", Vector: []float32{1, 2}}); err != nil || seq != 11 {
		t.Fatal(seq, err)
	}
	if err := s.Flush(ctx); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("flush: %v", err)
	}
	if s.Err() == nil {
		t.Fatal("the session goes on without 6 to 10")
	}
	if _, err := s.Close(ctx); err == nil {
		t.Fatal("close says nothing of it")
	}
}

// A server that takes the call and says nothing does not hold a session up for
// longer than its caller waits, nor a reconnect for ever.
func TestSilentServer(t *testing.T) {
	hang := make(chan struct{})
	m := newModel(t, func(s *stream) error {
		if s.n != 2 {
			if err := s.welcome(roomy); err != nil || s.n > 2 {
				return errors.Join(err, s.serve())
			}
			return connect.NewError(connect.CodeUnavailable, "cut")
		}
		<-hang
		return nil
	})
	t.Cleanup(func() { close(hang) })
	s, ctx := open(t, m, engram.ConnectTimeout(300*time.Millisecond))
	observe(t, ctx, s, 1, 10)
	if _, err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	m.want(t, 10)
	if s.Stats().Reconnects != 1 || m.streams != 3 {
		t.Fatalf("%+v after %d streams", s.Stats(), m.streams)
	}
}

// A server that takes every stream and brings none anywhere is not tried for
// ever, and its own words are what the session ends with.
func TestGivesUpWithoutProgress(t *testing.T) {
	m := newModel(t, func(s *stream) error {
		if err := s.welcome(roomy); err != nil {
			return err
		}
		if _, err := s.receive(); err != nil {
			return err
		}
		return fail(connect.CodeInternal, "INTERNAL", 0)
	})
	s, ctx := open(t, m, engram.ReconnectFor(100*time.Millisecond))
	observe(t, ctx, s, 1, 10)
	if err := s.Flush(ctx); engram.ReasonOf(err) != "INTERNAL" {
		t.Fatalf("flush: %v", err)
	}
	if _, err := s.Close(ctx); engram.ReasonOf(err) != "INTERNAL" {
		t.Fatalf("close: %v", err)
	}
}

func TestFinalErrorsEndTheSession(t *testing.T) {
	m := newModel(t, func(s *stream) error {
		if s.n > 1 {
			return fail(connect.CodeNotFound, "SESSION_EXPIRED", 0)
		}
		if err := s.welcome(roomy); err != nil {
			return err
		}
		f, err := s.receive()
		if err != nil {
			return err
		}
		through, err := s.keep(f.GetObservations())
		return errors.Join(err, s.ack(through, roomy, durable))
	})
	s, ctx := open(t, m)
	observe(t, ctx, s, 1, 10)
	_, err := s.Close(ctx)
	for what, err := range map[string]error{"close": err, "flush": s.Flush(ctx), "err": s.Err()} {
		if engram.ReasonOf(err) != "SESSION_EXPIRED" {
			t.Errorf("%s: %v", what, err)
		}
	}
	var e *engram.Error
	if !errors.As(err, &e) || !engram.IsNotFound(err) {
		t.Errorf("%#v", err)
	}
}

// A session that was let go of is on stable storage and can be gone on with.
func TestDetachAndResume(t *testing.T) {
	m := newModel(t, func(s *stream) error { return errors.Join(s.welcome(roomy), s.serve()) })
	first, ctx := open(t, m)
	observe(t, ctx, first, 1, 100)
	if err := first.Detach(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Observe(ctx, engram.Observation{}); !errors.Is(err, engram.ErrClosed) || !errors.Is(first.Err(), engram.ErrClosed) {
		t.Fatalf("observe after detach: %v, %v", err, first.Err())
	}
	second, ctx := open(t, m, engram.Resume(first.ID()))
	observe(t, ctx, second, 101, 150)
	if end, err := second.Close(ctx); err != nil || end.Accepted != 150 {
		t.Fatalf("%+v, %v", end, err)
	}
	m.want(t, 150)
}
