//go:build failpoints

package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/gen/go/engram/v1/engramv1connect"
	engram "github.com/engram-stream/engram/sdk/go"
)

// slow makes a server that takes about 10,000 observations a second, with room
// for 1,000.
func slow(t *testing.T) *server {
	return start(t, "journal.sync=delay(50ms)", "--queue-normal", "1000", "--queue-high", "1000", "--queue-low", "1000")
}

// (c) A raw client that ignores its credits: pressure is signalled, some are
// refused, what is kept is recalled, nothing is unaccounted for, and the queue
// drains.
func TestFloodIgnoringCredits(t *testing.T) {
	s := slow(t)
	const total, batch = 10_000, 50
	data := vectors(11, total, 16)
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: &p}
	defer tr.CloseIdleConnections()
	raw := engramv1connect.NewMemoryServiceClient(connect.NewClient(connecthttp.NewTransport(&http.Client{Transport: tr}, "http://"+s.addr)))
	c, ctx := s.dial()
	stream, err := raw.ObserveStream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	send := func(m *v1.ObserveStreamRequest) {
		t.Helper()
		if err := stream.Send(m); err != nil {
			_, err = stream.Receive()
			t.Fatal(err)
		}
	}
	send(&v1.ObserveStreamRequest{Frame: &v1.ObserveStreamRequest_Init{Init: &v1.SessionInit{Space: "flood"}}})

	// at[n] is what was last sent under number n: a refused number is used
	// again, for the next observation, and the one before is given up.
	f := &flood{at: map[uint64]int{}, next: 1}
	heard := make(chan error, 1)
	go func() { heard <- f.listen(stream) }()
	for i := 0; i < total; i += batch {
		m := &v1.ObservationBatch{}
		for k := i; k < i+batch; k++ {
			m.Observations = append(m.Observations, &v1.Observation{Id: fmt.Sprintf("f-%d", k), Embedding: &v1.Embedding{Values: data[k]}})
		}
		m.FirstSequence = f.number(i, batch)
		send(&v1.ObserveStreamRequest{Frame: &v1.ObserveStreamRequest_Observations{Observations: m}})
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := <-heard; err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refusals == 0 || f.pressed == 0 {
		t.Errorf("%d refusals and %d signals of pressure; both were to be seen", f.refusals, f.pressed)
	}
	kept := map[string]bool{}
	for n := uint64(1); n <= f.visible; n++ {
		kept[fmt.Sprintf("f-%d", f.at[n])] = true
	}
	there := ids(t, all(t, ctx, c, "flood"))
	if len(kept) == 0 || len(kept) == total || len(there) != len(kept) {
		t.Fatalf("%d acked VISIBLE, %d there, %d sent", len(kept), len(there), total)
	}
	never := 0
	for i := range total {
		id := fmt.Sprintf("f-%d", i)
		if there[id] != kept[id] {
			t.Fatalf("%s: acked %v, there %v", id, kept[id], there[id])
		}
		if !there[id] {
			never++
		}
	}
	if len(kept)+never != total {
		t.Fatalf("%d kept and %d never kept of %d", len(kept), never, total)
	}
	found := 0
	for id := range kept {
		var i int
		if _, err := fmt.Sscanf(id, "f-%d", &i); err != nil {
			t.Fatal(err)
		}
		r, err := c.Recall(ctx, "flood", engram.ByVector(data[i]), engram.Limit(1))
		if err != nil || len(r.Results) != 1 || r.Results[0].Observation.ID != id {
			t.Fatalf("%s is kept and not recalled: %+v, %v", id, r, err)
		}
		found++
	}
	t.Logf("%d sent, %d kept and recalled, %d never kept, %d refusals", total, found, never, f.refusals)
	st, err := c.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range st.Lanes {
		if l.Depth != 0 {
			t.Errorf("the lane %v still holds %d", l.Priority, l.Depth)
		}
	}
}

// flood is what the raw client knows.
type flood struct {
	mu       sync.Mutex
	at       map[uint64]int
	next     uint64
	visible  uint64
	refusals int
	pressed  int
}

// number gives the next n numbers to the observations from i on.
func (f *flood) number(i, n int) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := f.next
	for k := range n {
		f.at[first+uint64(k)] = i + k
	}
	f.next += uint64(n)
	return first
}

func (f *flood) listen(s engramv1connect.MemoryServiceObserveStreamClientStream) error {
	for {
		m, err := s.Receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		f.mu.Lock()
		switch x := m.Frame.(type) {
		case *v1.ObserveStreamResponse_Refusal:
			f.refusals++
			f.next = x.Refusal.ExpectedSequence
		case *v1.ObserveStreamResponse_Status:
			if x.Status.State > v1.SessionState_SESSION_STATE_PAUSED {
				f.pressed++
			}
		case *v1.ObserveStreamResponse_Ack:
			if x.Ack.Status == v1.AckLevel_ACK_LEVEL_VISIBLE {
				f.visible = max(f.visible, x.Ack.ThroughSequence)
			}
		}
		f.mu.Unlock()
	}
}

// (c) The same through the SDK: nothing is refused, everything is kept.
func TestFloodThroughTheSDK(t *testing.T) {
	s := slow(t)
	c, ctx := s.dial()
	const total = 10_000
	sess, err := c.OpenSession(ctx, "polite")
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range vectors(12, total, 16) {
		if _, err := sess.Observe(ctx, engram.Observation{ID: fmt.Sprintf("p-%d", i), Vector: v}); err != nil {
			t.Fatal(err)
		}
	}
	end, err := sess.Close(ctx)
	if err != nil || end.Accepted != total || end.Refused != 0 || sess.Stats().Refused != 0 {
		t.Fatalf("%+v, %+v, %v", end, sess.Stats(), err)
	}
	if n := len(ids(t, all(t, context.Background(), c, "polite"))); n != total {
		t.Fatalf("%d are there, want %d", n, total)
	}
}
