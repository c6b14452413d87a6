package engram_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	engram "github.com/engram-stream/engram/sdk/go"
)

// dialReal makes a client of the real server, by way of a proxy, a context that
// bounds the test, and the name of a space that is the test's own.
func dialReal(t *testing.T) (*engram.Client, context.Context, *proxy, string) {
	t.Helper()
	p := newProxy(t, server())
	c, err := engram.Dial(p.addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return c, ctx, p, fmt.Sprintf("t-%d", spaces.Add(1))
}

var spaces atomic.Int64

func ids(t *testing.T, ctx context.Context, c *engram.Client, space string) (out []string) {
	t.Helper()
	for o, err := range c.List(ctx, space, 0, nil) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, o.ID)
	}
	return out
}

// 10,000 through resets in mid-frame: each once, in order.
func TestResetsLoseAndDoubleNothing(t *testing.T) {
	c, ctx, p, space := dialReal(t)
	s, err := c.OpenSession(ctx, space)
	if err != nil {
		t.Fatal(err)
	}
	const n = 10_000
	for i := 1; i <= n; i++ {
		observe(t, ctx, s, i, i)
		if i%2_000 == 0 {
			p.cut()
		}
	}
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if end, err := s.Close(ctx); err != nil || end.Accepted != n || end.FinalSequence != n {
		t.Fatalf("%+v, %v", end, err)
	}
	got := ids(t, ctx, c, space)
	if len(got) != n {
		t.Fatalf("%d are kept", len(got))
	}
	for i, id := range got {
		if id != strconv.Itoa(i+1) {
			t.Fatalf("number %d is %s", i+1, id)
		}
	}
	if s.Stats().Reconnects == 0 {
		t.Error("no cut was felt")
	}
}

// While a session was away, another process has gone on with it: it ends, and
// neither adopts the other's numbers nor sends its own under them.
func TestTakenOverWhileAway(t *testing.T) {
	for _, more := range []int{0, 5} { // observed while away, and not sent
		t.Run(fmt.Sprint(more, " waiting"), func(t *testing.T) {
			c, ctx, p, space := dialReal(t)
			s, err := c.OpenSession(ctx, space)
			if err != nil {
				t.Fatal(err)
			}
			observe(t, ctx, s, 1, 10)
			if err := s.Flush(ctx); err != nil {
				t.Fatal(err)
			}
			p.refuse(true)
			observe(t, ctx, s, 11, 10+more)
			direct, err := engram.Dial(server())
			if err != nil {
				t.Fatal(err)
			}
			defer direct.Close()
			other, err := direct.OpenSession(ctx, space, engram.Resume(s.ID()))
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				if seq, err := other.Observe(ctx, engram.Observation{ID: fmt.Sprint("other-", i), Vector: []float32{1, 2}}); err != nil || seq != uint64(11+i) {
					t.Fatal(seq, err)
				}
			}
			if err := other.Detach(ctx); err != nil {
				t.Fatal(err)
			}
			p.refuse(false)
			select {
			case <-s.Done():
			case <-ctx.Done():
				t.Fatal("the first session goes on")
			}
			_, observed := s.Observe(ctx, engram.Observation{ID: "late", Vector: []float32{1, 2}})
			_, closed := s.Close(ctx)
			for what, err := range map[string]error{"err": s.Err(), "observe": observed, "close": closed} {
				if engram.ReasonOf(err) != "SESSION_TAKEN_OVER" {
					t.Errorf("%s: %v", what, err)
				}
			}
			if got := ids(t, ctx, c, space); len(got) != 13 || got[10] != "other-0" {
				t.Errorf("the space holds %v", got)
			}
		})
	}
}

// A connection that breaks under a call is the network's doing, not the
// caller's, whatever the transport calls it.
func TestResetsUnderACallAreUnavailable(t *testing.T) {
	for _, grpc := range []bool{false, true} {
		for _, bytes := range []int{1, 200, 40_000} {
			t.Run(fmt.Sprint("grpc=", grpc, " after ", bytes), func(t *testing.T) {
				_, ctx, p, space := dialReal(t)
				var opts []engram.Option
				if grpc {
					opts = append(opts, engram.WithGRPC())
				}
				c, err := engram.Dial(p.addr(), opts...)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if _, err := c.Observe(ctx, space, []engram.Observation{{ID: "a", Content: strings.Repeat("word ", 20_000)}}); err != nil {
					t.Fatal(err)
				}
				p.onAnswer(bytes, p.cut)
				_, _, err = c.Get(ctx, space, "a")
				var e *engram.Error
				if !errors.As(err, &e) || e.Code != "unavailable" || e.Reason != "TRANSPORT" || !e.Retryable {
					t.Fatalf("%#v", err)
				}
				if found, _, err := c.Get(ctx, space, "a"); err != nil || len(found) != 1 { // retried
					t.Fatal(found, err)
				}
				p.refuse(true)
				if _, _, err := c.Get(ctx, space, "a"); !engram.IsUnavailable(err) || engram.ReasonOf(err) != "TRANSPORT" {
					t.Fatalf("a server that is away: %v", err)
				}
			})
		}
	}
}

// What the caller's context ends is the caller's, by name.
func TestEndsOfContexts(t *testing.T) {
	c, ctx, _, space := dialReal(t)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	late, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
	defer cancel()
	s, err := c.OpenSession(ctx, space)
	if err != nil {
		t.Fatal(err)
	}
	observe(t, ctx, s, 1, 1)
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	m, err := c.OpenMemory(ctx, space)
	if err != nil {
		t.Fatal(err)
	}
	for what, call := range map[string]func(context.Context) error{
		"call":   func(ctx context.Context) error { _, err := c.Status(ctx); return err },
		"open":   func(ctx context.Context) error { _, err := c.OpenSession(ctx, space); return err },
		"recall": func(ctx context.Context) error { _, err := m.Recall(ctx, engram.ByVector([]float32{1, 2})); return err },
		"acks": func(ctx context.Context) error {
			for _, err := range s.Acks(ctx) {
				return err
			}
			return nil
		},
	} {
		var e *engram.Error
		if err := call(cancelled); !errors.Is(err, context.Canceled) || !errors.As(err, &e) || e.Code != "canceled" || e.Reason != "CANCELED" {
			t.Errorf("%s, cancelled: %#v", what, err)
		}
		if err := call(late); !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &e) || e.Code != "deadline_exceeded" || e.Reason != "DEADLINE" {
			t.Errorf("%s, too late: %#v", what, err)
		}
	}
	// In vain, the server's own deadline is told so too.
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := c.Recall(short, space, engram.ByVector([]float32{1, 2}), engram.AtLeast(1<<40)); engram.ReasonOf(err) != "DEADLINE" {
		t.Errorf("a generation that does not come: %v", err)
	}
	if _, err := m.Close(ctx); err != nil {
		t.Error(err)
	}
	if end, err := s.Close(ctx); err != nil || end.Accepted != 1 {
		t.Errorf("the session was harmed: %+v, %v", end, err)
	}
}

// What breaks a rule of the contract is told with its reason and its field.
func TestInvalidCallsNameTheField(t *testing.T) {
	c, ctx, _, space := dialReal(t)
	if _, err := c.Observe(ctx, space, []engram.Observation{{Content: "x"}}); err != nil {
		t.Fatal(err)
	}
	_, wrongName := c.Observe(ctx, "A", []engram.Observation{{Content: "x"}})
	_, wrongLimit := c.Recall(ctx, space, engram.ByText("x"), engram.Limit(10_001))
	_, _, noIDs := c.Get(ctx, space)
	_, opened := c.OpenSession(ctx, "A")
	for _, x := range []struct {
		err           error
		reason, field string
	}{{wrongName, "INVALID_NAME", "space"}, {opened, "INVALID_NAME", "space"}, {wrongLimit, "INVALID_FIELD", "limit"}, {noIDs, "INVALID_FIELD", "ids"}} {
		var e *engram.Error
		if !errors.As(x.err, &e) || !engram.IsInvalid(x.err) || e.Reason != x.reason || e.Field != x.field || e.Retryable {
			t.Errorf("%#v, want %s in %s", x.err, x.reason, x.field)
		}
	}
}

// Whoever iterates hears what the callbacks hear, and a session that is over ends
// the iteration.
func TestIterators(t *testing.T) {
	c, ctx, _, space := dialReal(t)
	s, err := c.OpenSession(ctx, space)
	if err != nil {
		t.Fatal(err)
	}
	type heard struct {
		acks       []engram.Ack
		rejections []engram.Rejection
		err        error
	}
	done := make(chan heard, 2)
	started := make(chan struct{}, 2)
	go func() {
		var h heard
		started <- struct{}{}
		for a, err := range s.Acks(ctx) {
			h.acks, h.err = append(h.acks, a), err
		}
		done <- h
	}()
	go func() {
		var h heard
		started <- struct{}{}
		for r, err := range s.Rejections(ctx) {
			h.rejections, h.err = append(h.rejections, r), err
		}
		done <- h
	}()
	<-started
	<-started
	for !t.Failed() { // until both have begun to listen, what is told is lost on them
		if _, err := s.Observe(ctx, engram.Observation{Content: "x", Importance: 7}); err != nil {
			t.Fatal(err)
		}
		var rejected *engram.RejectedError
		if err := s.Flush(ctx); !errors.As(err, &rejected) || len(rejected.Rejections) != 1 {
			t.Fatal(err)
		}
		if s.Stats().Observed == 50 {
			break
		}
	}
	if _, err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		h := <-done
		if h.err != nil {
			t.Error(h.err)
		}
		last := map[engram.Level]uint64{}
		for _, a := range h.acks {
			if a.Through < last[a.Level] {
				t.Errorf("acks went back: %v", h.acks)
			}
			last[a.Level] = a.Through
		}
		if h.acks != nil && (last[engram.Durable] != 50 || last[engram.Visible] != 50) {
			t.Errorf("acks %v", last)
		}
		if h.rejections != nil && h.rejections[len(h.rejections)-1].Sequence != 50 {
			t.Errorf("rejections %v", h.rejections)
		}
	}
}

// A panic of a callback comes back from the next flush, and only once.
func TestPanicsOfCallbacksComeBack(t *testing.T) {
	c, ctx, _, space := dialReal(t)
	oops := errors.New("oops")
	s, err := c.OpenSession(ctx, space, engram.OnRejection(func(engram.Rejection) { panic(oops) }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Observe(ctx, engram.Observation{Content: "x", Importance: 7}); err != nil {
		t.Fatal(err)
	}
	var rejected *engram.RejectedError
	var panicked *engram.PanicError
	if err := s.Flush(ctx); !errors.Is(err, oops) || !errors.As(err, &panicked) || !errors.As(err, &rejected) || len(panicked.Stack) == 0 {
		t.Fatal(err)
	}
	observe(t, ctx, s, 1, 1)
	if end, err := s.Close(ctx); err != nil || end.Accepted != 1 || end.Rejected != 1 {
		t.Fatalf("%+v, %v", end, err)
	}
	again, err := s.Close(ctx)
	if err != nil || again.Accepted != 1 {
		t.Fatalf("closed again: %+v, %v", again, err)
	}
}

// A session that its client leaves open is given up, and says so everywhere.
func TestClosingAClientEndsItsSessions(t *testing.T) {
	c, ctx, p, space := dialReal(t)
	s, err := c.OpenSession(ctx, space)
	if err != nil {
		t.Fatal(err)
	}
	p.refuse(true)
	observe(t, ctx, s, 1, 3)
	c.Close()
	c.Close()
	_, observed := s.Observe(ctx, engram.Observation{ID: "late"})
	_, called := c.Status(ctx)
	_, opened := c.OpenSession(ctx, space)
	for what, err := range map[string]error{"err": s.Err(), "observe": observed, "flush": s.Flush(ctx), "call": called, "open": opened} {
		if !errors.Is(err, engram.ErrClosed) || engram.ReasonOf(err) != "CLOSED" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A server that does not come back: the session ends in time, and says why.
func TestAway(t *testing.T) {
	c, ctx, p, space := dialReal(t)
	s, err := c.OpenSession(ctx, space, engram.ReconnectFor(300*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	p.refuse(true)
	observe(t, ctx, s, 1, 3)
	<-s.Done()
	_, observed := s.Observe(ctx, engram.Observation{ID: "late"})
	_, closed := s.Close(ctx)
	for what, err := range map[string]error{"err": s.Err(), "observe": observed, "flush": s.Flush(ctx), "close": closed} {
		if !engram.IsUnavailable(err) || engram.ReasonOf(err) != "TRANSPORT" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if st := s.Stats(); st.Observed != 3 || st.Durable != 0 {
		t.Errorf("%+v", st)
	}
}

// Observations of a call are children of its span, as those of a session are.
func TestTraceOfACall(t *testing.T) {
	c, ctx, _, space := dialReal(t)
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{7}, SpanID: trace.SpanID{8}, TraceFlags: trace.FlagsSampled})
	if _, err := c.Observe(trace.ContextWithSpanContext(ctx, sc), space, []engram.Observation{{ID: "a", Content: "x"}}); err != nil {
		t.Fatal(err)
	}
	// The SDK does not give it back; the server does.
	res, err := http.Post("http://"+server()+"/engram.v1.MemoryService/GetObservations", "application/json", strings.NewReader(`{"space":"`+space+`","ids":["a"]}`))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	if !strings.Contains(string(body), `"00-07000000000000000000000000000000-0800000000000000-01"`) {
		t.Errorf("%s", body)
	}
}

// A recall that chose its own consistency is taken at its word; one that did not
// sees what was observed before it, through a cut too.
func TestRecallsThroughACut(t *testing.T) {
	c, ctx, p, space := dialReal(t)
	m, err := c.OpenMemory(ctx, space)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 40; i++ {
		observe(t, ctx, m.Session, i, i)
		if i%8 == 0 {
			p.cut()
		}
		r, err := m.Recall(ctx, engram.ByVector([]float32{1, float32(i)}), engram.Limit(100), engram.Exact())
		for engram.IsUnavailable(err) { // its stream ended: ask again
			r, err = m.Recall(ctx, engram.ByVector([]float32{1, float32(i)}), engram.Limit(100), engram.Exact())
		}
		if err != nil || !slices.ContainsFunc(r.Results, func(x engram.Result) bool { return x.Observation.ID == strconv.Itoa(i) }) {
			t.Fatalf("%d is not found: %v", i, err)
		}
	}
	if _, err := m.Recall(ctx, engram.ByVector([]float32{1, 1}), engram.At(1<<40)); engram.ReasonOf(err) != "GENERATION_AHEAD" {
		t.Errorf("ahead: %v", err)
	}
	if end, err := m.Close(ctx); err != nil || end.Accepted != 40 {
		t.Fatalf("%+v, %v", end, err)
	}
}
