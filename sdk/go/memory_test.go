package engram_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	engram "github.com/engram-stream/engram/sdk/go"
)

// answer answers a recall with everything the model holds, and says so.
func (s *stream) answer(r *v1.StreamRecall) error {
	s.mu.Lock()
	out := &v1.StreamRecallResults{RequestId: r.RequestId, CoveredSequence: s.next - 1}
	for _, id := range s.kept {
		out.Results = append(out.Results, &v1.RecallResult{Observation: &v1.Observation{Id: id}})
	}
	s.mu.Unlock()
	return s.send(&v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_RecallResults{RecallResults: out}})
}

// converse takes observations, recalls and the close, as they come.
func (s *stream) converse() error {
	for {
		f, err := s.receive()
		if err != nil {
			return err
		}
		switch {
		case f.GetObservations() != nil:
			through, err := s.keep(f.GetObservations())
			if err := errors.Join(err, s.ack(through, roomy, durable, visible)); err != nil {
				return err
			}
		case f.GetRecall() != nil:
			if err := s.answer(f.GetRecall()); err != nil {
				return err
			}
		case f.GetClose() != nil:
			return s.close(f.GetClose())
		}
	}
}

// What was observed before a recall is found by it, also when the server had no
// room for it at first and the recall came to the server before it.
func TestRecallSeesWhatWasRefusedAtFirst(t *testing.T) {
	m := newModel(t, func(s *stream) error {
		if err := s.welcome(roomy); err != nil {
			return err
		}
		if _, err := s.receive(); err != nil { // the observation
			return err
		}
		f, err := s.receive()
		if err != nil {
			return err
		}
		// Refused, and the recall is answered without it.
		err = s.send(&v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_Refusal{Refusal: &v1.Refusal{
			ExpectedSequence: 1, Reason: "QUEUE_FULL", RetryAfter: durationpb.New(20 * time.Millisecond), Credits: roomy,
		}}})
		return errors.Join(err, s.answer(f.GetRecall()), s.converse())
	})
	recallsOwn(t, m)
}

// The same when the stream ends before the observation is kept.
func TestRecallSeesWhatWasCutOff(t *testing.T) {
	m := newModel(t, func(s *stream) error {
		if err := s.welcome(roomy); err != nil || s.n > 1 {
			return errors.Join(err, s.converse())
		}
		if _, err := s.receive(); err != nil {
			return err
		}
		return connect.NewError(connect.CodeUnavailable, "cut")
	})
	recallsOwn(t, m)
}

func recallsOwn(t *testing.T, m *model) {
	t.Helper()
	c, ctx := dial(t, m)
	mem, err := c.OpenMemory(ctx, "notes")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mem.Observe(ctx, engram.Observation{ID: "1", Content: "x"}); err != nil {
		t.Fatal(err)
	}
	r, err := mem.Recall(ctx, engram.ByText("x"))
	var e *engram.Error
	if errors.As(err, &e) && e.Retryable { // its stream was cut: ask again, as it says
		r, err = mem.Recall(ctx, engram.ByText("x"))
	}
	if err != nil || len(r.Results) != 1 || r.Results[0].Observation.ID != "1" {
		t.Fatalf("its own observation is not found: %+v, %v", r, err)
	}
	if _, err := mem.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// A recall that nobody waits for any more is not sent, however long the server
// is away: nothing piles up.
func TestRecallsGivenUpAreNotSent(t *testing.T) {
	away, back := make(chan struct{}), make(chan struct{})
	asked := 0
	m := newModel(t, func(s *stream) error {
		if s.n == 1 {
			err := s.welcome(roomy)
			return errors.Join(err, connect.NewError(connect.CodeUnavailable, "cut"))
		}
		if s.n == 2 {
			close(away)
			<-back
		}
		if err := s.welcome(roomy); err != nil {
			return err
		}
		for {
			f, err := s.receive()
			if err != nil {
				return err
			}
			if f.GetClose() != nil {
				return s.close(f.GetClose())
			}
			asked++
			if err := s.answer(f.GetRecall()); err != nil {
				return err
			}
		}
	})
	c, ctx := dial(t, m)
	mem, err := c.OpenMemory(ctx, "notes")
	if err != nil {
		t.Fatal(err)
	}
	<-away
	gone, cancel := context.WithCancel(ctx)
	cancel()
	for range 100 {
		if _, err := mem.Recall(gone, engram.ByText("x")); !errors.Is(err, context.Canceled) {
			t.Fatalf("a recall that was given up: %v", err)
		}
	}
	close(back)
	if _, err := mem.Recall(ctx, engram.ByText("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := mem.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if asked != 1 {
		t.Fatalf("the server was asked %d times, want 1", asked)
	}
}

func TestFlushToWhatIsNoLevel(t *testing.T) {
	m := newModel(t, func(s *stream) error { return errors.Join(s.welcome(roomy), s.serve()) })
	c, ctx := dial(t, m)
	for _, l := range []engram.Level{0, -1, engram.Indexed + 1} {
		if _, err := c.OpenSession(ctx, "notes", engram.FlushTo(l)); engram.ReasonOf(err) != "INVALID_FIELD" {
			t.Errorf("level %d: %v", l, err)
		}
	}
}
