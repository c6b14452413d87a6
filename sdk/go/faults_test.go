package engram_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	engram "github.com/engram-stream/engram/sdk/go"
)

// dial makes a client of the model, and a context that bounds the test.
func dial(t *testing.T, m *model, opts ...engram.Option) (*engram.Client, context.Context) {
	t.Helper()
	c, err := engram.Dial(m.addr, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return c, ctx
}

func open(t *testing.T, m *model, opts ...engram.SessionOption) (*engram.Session, context.Context) {
	t.Helper()
	c, ctx := dial(t, m)
	s, err := c.OpenSession(ctx, "notes", opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s, ctx
}

// observe hands over observations with the ids from, …, to.
func observe(t *testing.T, ctx context.Context, s *engram.Session, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		if _, err := s.Observe(ctx, engram.Observation{ID: strconv.Itoa(i), Vector: []float32{1, float32(i)}}); err != nil {
			t.Fatal(i, err)
		}
	}
}

// want fails unless exactly the ids 1, …, n were kept, in order.
func (m *model) want(t *testing.T, n int) {
	t.Helper()
	got := m.keptIDs()
	if len(got) != n {
		t.Fatalf("%d were kept, want %d", len(got), n)
	}
	for i, id := range got {
		if id != strconv.Itoa(i+1) {
			t.Fatalf("number %d is observation %s", i+1, id)
		}
	}
}

func TestCutsAndCrashesLoseAndDoubleNothing(t *testing.T) {
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprint("crash=", crash), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			m := newModel(t, nil)
			m.script = func(s *stream) error {
				if crash {
					m.lose()
				}
				if err := s.welcome(roomy); err != nil || s.n > 8 {
					return errors.Join(err, s.serve())
				}
				for range rng.IntN(4) { // some batches, some of them acked
					f, err := s.receive()
					if err != nil || f.GetObservations() == nil {
						return err
					}
					through, err := s.keep(f.GetObservations())
					if err != nil {
						return err
					}
					if rng.IntN(2) == 0 {
						if err := s.ack(through, roomy, durable); err != nil {
							return err
						}
					}
				}
				return connect.NewError(connect.CodeUnavailable, "cut")
			}
			s, ctx := open(t, m)
			observe(t, ctx, s, 1, 2000)
			if err := s.Flush(ctx); err != nil {
				t.Fatal(err)
			}
			end, err := s.Close(ctx)
			if err != nil || end.Accepted != 2000 {
				t.Fatalf("%+v, %v", end, err)
			}
			m.want(t, 2000)
			if st := s.Stats(); st.Reconnects != 8 {
				t.Fatalf("%+v", st)
			}
		})
	}
}

func TestRefusalGoesBackAndWaits(t *testing.T) {
	const wait = 50 * time.Millisecond
	var refusedAt, cameAt time.Time
	m := newModel(t, func(s *stream) error {
		if err := s.welcome(roomy); err != nil {
			return err
		}
		refused := false
		var closing *v1.SessionClose // may come before what was refused comes again
		for {
			f, err := s.receive()
			if err != nil {
				return err
			}
			b := f.GetObservations()
			if !refused && b.FirstSequence+uint64(len(b.Observations)) > 100 {
				refused, refusedAt = true, time.Now()
				b.Observations = b.Observations[:100-b.FirstSequence]
				if _, err := s.keep(b); err != nil {
					return err
				}
				err := s.send(&v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_Refusal{Refusal: &v1.Refusal{
					ExpectedSequence: 100, Reason: "QUEUE_FULL", RetryAfter: durationpb.New(wait), Credits: roomy,
				}}})
				if err != nil {
					return err
				}
				for { // what was on its way is discarded, until 100 comes
					if f, err = s.receive(); err != nil {
						return err
					}
					if f.GetClose() != nil {
						closing = f.GetClose()
					}
					if b = f.GetObservations(); b.GetFirstSequence() == 100 {
						cameAt = time.Now()
						break
					}
				}
			}
			through, err := s.keep(b)
			if err != nil {
				return err
			}
			if err := s.ack(through, roomy, durable, visible); err != nil {
				return err
			}
			if through == 1000 && closing != nil {
				return s.close(closing)
			}
			if through == 1000 {
				return s.serve()
			}
		}
	})
	s, ctx := open(t, m)
	observe(t, ctx, s, 1, 1000)
	if _, err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	m.want(t, 1000)
	if st := s.Stats(); st.Refused != 1 || st.Sent != 1000 || cameAt.Sub(refusedAt) < wait {
		t.Fatalf("%+v, came again after %v", st, cameAt.Sub(refusedAt))
	}
}

func TestCreditsAreObeyed(t *testing.T) {
	// 10 numbers ahead, and 150 bytes above the durable mark.
	grant := func(through uint64) *v1.Credits { return &v1.Credits{ThroughSequence: through + 10, Bytes: 150} }
	m := newModel(t, func(s *stream) error {
		if err := s.welcome(grant(0)); err != nil {
			return err
		}
		granted, outstanding, count := uint64(10), 0, 0
		for {
			f, err := s.receive()
			if err != nil {
				return err
			}
			if c := f.GetClose(); c != nil {
				return s.close(c)
			}
			b := f.GetObservations()
			for _, o := range b.Observations {
				outstanding += o.SizeVT()
				count++
			}
			last := b.FirstSequence + uint64(len(b.Observations)) - 1
			if last > granted || (outstanding > 150 && count > 1) {
				return connect.Errorf(connect.CodeInternal, "%d was sent with %d granted and %d bytes outstanding", last, granted, outstanding)
			}
			through, err := s.keep(b)
			if err != nil {
				return err
			}
			granted, outstanding, count = through+10, 0, 0
			if err := s.ack(through, grant(through), durable, visible); err != nil {
				return err
			}
		}
	})
	s, ctx := open(t, m)
	observe(t, ctx, s, 1, 300)
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	// One that is larger than the grant may go alone.
	if _, err := s.Observe(ctx, engram.Observation{ID: "301", Vector: make([]float32, 100)}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	m.want(t, 301)
}

func TestGoAway(t *testing.T) {
	for _, resumable := range []bool{true, false} {
		t.Run(fmt.Sprint("resumable=", resumable), func(t *testing.T) {
			const after = 30 * time.Millisecond
			var sent, came time.Time
			m := newModel(t, func(s *stream) error {
				if s.n == 2 {
					came = time.Now()
				}
				if err := s.welcome(roomy); err != nil || s.n == 2 {
					return errors.Join(err, s.serve())
				}
				sent = time.Now()
				reason := "SESSION_TAKEN_OVER"
				if resumable {
					reason = "DRAINING"
				}
				return s.send(&v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_GoAway{GoAway: &v1.GoAway{
					Reason: reason, Resumable: resumable, ResumeAfter: durationpb.New(after),
				}}})
			})
			s, ctx := open(t, m)
			if resumable {
				observe(t, ctx, s, 1, 100)
			}
			flushed := s.Flush(ctx)
			_, observed := s.Observe(ctx, engram.Observation{ID: "101", Vector: []float32{1, 2}})
			for observed == nil && !resumable {
				_, observed = s.Observe(ctx, engram.Observation{ID: "101", Vector: []float32{1, 2}})
			}
			_, closed := s.Close(ctx)
			if resumable {
				if err := errors.Join(flushed, observed, closed); err != nil {
					t.Fatal(err)
				}
				m.want(t, 101)
				if came.Sub(sent) < after {
					t.Fatalf("came back after %v", came.Sub(sent))
				}
				return
			}
			for _, err := range []error{observed, closed} {
				if engram.ReasonOf(err) != "SESSION_TAKEN_OVER" {
					t.Fatalf("observe %v, close %v", observed, closed)
				}
			}
		})
	}
}

func TestRejectionIsToldOnce(t *testing.T) {
	reject := func(seq uint64) *v1.MemoryStreamResponse {
		return &v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_Rejection{Rejection: &v1.Rejection{Sequence: seq, Reason: "ID_CONFLICT"}}}
	}
	m := newModel(t, func(s *stream) error {
		if err := s.welcome(roomy); err != nil {
			return err
		}
		if err := errors.Join(s.send(reject(1)), s.send(reject(2))); err != nil {
			return err
		}
		if s.n == 1 {
			f, err := s.receive()
			if err != nil {
				return err
			}
			if _, err := s.keep(f.GetObservations()); err != nil {
				return err
			}
			return connect.NewError(connect.CodeUnavailable, "cut")
		}
		return s.serve()
	})
	s, ctx := open(t, m, engram.WithBatching(2, 1<<20, time.Minute))
	observe(t, ctx, s, 1, 2)
	var rejected *engram.RejectedError
	if err := s.Flush(ctx); !errors.As(err, &rejected) || len(rejected.Rejections) != 2 {
		t.Fatalf("flush: %v", err)
	}
	if _, err := s.Close(ctx); err != nil || s.Stats().Rejected != 2 {
		t.Fatalf("%+v, %v", s.Stats(), err)
	}
}

// What cannot be sent fails its own call, not the session.
func TestWhatCannotBeSentHarmsOnlyItself(t *testing.T) {
	m := newModel(t, func(s *stream) error { return errors.Join(s.welcome(roomy), s.serve()) })
	s, ctx := open(t, m)
	deep := map[string]any{}
	for range 2000 {
		deep = map[string]any{"x": deep}
	}
	for _, o := range []engram.Observation{{ID: "a\xff"}, {Metadata: deep}, {Content: "\xff"}, {Context: engram.Context{Participants: []string{"\xff"}}}, {Metadata: map[string]any{"x": "\xff"}}, {Content: strings.Repeat("x", 16<<20)}} {
		if _, err := s.Observe(ctx, o); err == nil {
			t.Errorf("%.100q was taken", fmt.Sprint(o.ID, o.Content, o.Context))
		}
	}
	observe(t, ctx, s, 1, 1)
	if _, err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	m.want(t, 1)
}

func TestFullBuffer(t *testing.T) {
	release := make(chan struct{})
	m := newModel(t, func(s *stream) error {
		if err := s.welcome(&v1.Credits{}); err != nil {
			return err
		}
		<-release
		err := s.send(&v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_Status{Status: &v1.SessionStatus{State: v1.SessionState_SESSION_STATE_ACTIVE, Credits: roomy}}})
		return errors.Join(err, s.serve())
	})
	s, ctx := open(t, m, engram.WithBuffer(5, 1<<20))
	observe(t, ctx, s, 1, 5)
	short, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Observe(short, engram.Observation{ID: "6"}); !errors.Is(err, context.Canceled) {
		t.Fatalf("a full buffer: %v", err)
	}
	close(release)
	observe(t, ctx, s, 6, 20)
	if _, err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	m.want(t, 20)
}

func TestRecallsOnAStream(t *testing.T) {
	answer := func(id uint64, more bool, ids ...string) *v1.MemoryStreamResponse {
		r := &v1.StreamRecallResults{RequestId: id, More: more}
		for _, x := range ids {
			r.Results = append(r.Results, &v1.RecallResult{Observation: &v1.Observation{Id: x}})
		}
		return &v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_RecallResults{RecallResults: r}}
	}
	m := newModel(t, func(s *stream) error {
		if err := s.welcome(roomy); err != nil {
			return err
		}
		f, err := s.receive()
		if err != nil {
			return err
		}
		if s.n == 1 {
			return connect.NewError(connect.CodeUnavailable, "cut")
		}
		id := f.GetRecall().GetRequestId()
		return errors.Join(s.send(answer(id, true, "a", "b")), s.send(answer(id, false, "c")), s.serve())
	})
	c, ctx := dial(t, m)
	mem, err := c.OpenMemory(ctx, "notes")
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	// The stream is cut with the first recall under way: it is answered on the
	// next one, or fails; it does not hang.
	r, err := mem.Recall(short, engram.ByText("x"))
	if errors.Is(err, context.DeadlineExceeded) {
		t.Error("a recall hangs after its stream was cut")
	}
	if err != nil {
		r, err = mem.Recall(ctx, engram.ByText("x"))
	}
	if err != nil || len(r.Results) != 3 {
		t.Errorf("an answer in two parts: %+v, %v", r, err)
	}
	if _, err := mem.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// Frames hold no more than the server takes, and less while it asks for less.
func TestBatchesFitTheServer(t *testing.T) {
	var sizes []int
	m := newModel(t, nil)
	m.maxBatch = 10
	m.script = func(s *stream) error {
		if err := s.welcome(&v1.Credits{ThroughSequence: 10, Bytes: 1 << 40}); err != nil {
			return err
		}
		for len(m.keptIDs()) < 100 {
			f, err := s.receive()
			if err != nil {
				return err
			}
			sizes = append(sizes, len(f.GetObservations().GetObservations()))
			through, err := s.keep(f.GetObservations())
			if err != nil {
				return err
			}
			if through == 10 {
				err = s.send(&v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_Status{Status: &v1.SessionStatus{
					State: v1.SessionState_SESSION_STATE_WARNING, SuggestedBatchSize: 5,
				}}})
			}
			if err := errors.Join(err, s.ack(through, &v1.Credits{ThroughSequence: through + 10, Bytes: 1 << 40}, durable, visible)); err != nil {
				return err
			}
		}
		return s.serve()
	}
	s, ctx := open(t, m, engram.WithBatching(64, 1<<20, time.Millisecond))
	observe(t, ctx, s, 1, 100)
	if _, err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if slices.Max(sizes) > 10 || slices.Max(sizes[len(sizes)/2:]) > 5 {
		t.Fatalf("frames of %v observations", sizes)
	}
}
