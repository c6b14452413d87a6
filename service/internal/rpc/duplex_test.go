package rpc

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/service/internal/embed"
	"github.com/engram-stream/engram/service/internal/engine"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// handlers are over an engine in memory, which ends with the test.
func handlers(t *testing.T) *Handlers {
	t.Helper()
	h, err := embed.NewHashing(0)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(context.Background(), engine.Options{
		Journal: journal.Options{FS: vfs.NewMem(1), Dir: "data", SegmentBytes: 4 << 20}, Embedders: []embed.Embedder{h},
	})
	if err != nil {
		t.Fatal(err)
	}
	out := New(e, slog.New(slog.DiscardHandler), "test")
	t.Cleanup(func() {
		out.Leave()
		out.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := errors.Join(e.Drain(ctx), e.Close()); err != nil {
			t.Error(err)
		}
	})
	return out
}

// session makes a session that can be resumed.
func (h *Handlers) session(t *testing.T) memory.SessionID {
	t.Helper()
	st, err := h.engine.Open(t.Context(), engine.OpenStream{Space: "garden"})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	return st.Session().ID()
}

// reserved counts the places that are held.
func (h *Handlers) reserved() (n int) {
	for _, l := range h.engine.Status().Queue.Lanes {
		n += l.Reserved
	}
	return n
}

// TestStreamOpenedForNobody: a client that leaves while its init is answered
// leaves nothing behind.
func TestStreamOpenedForNobody(t *testing.T) {
	h := handlers(t)
	id := h.session(t)
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan struct{})
	first := true
	d := &duplex{
		h: h,
		receive: func() (received, error) {
			if !first {
				return received{}, context.Canceled
			}
			first = false
			leave()
			<-gone // the handler returns before the init is looked at
			return received{init: &v1.SessionInit{Space: "garden", SessionId: string(id)}}, nil
		},
		send: func(any) error { return nil },
	}
	if err := d.run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	close(gone)
	h.Wait()
	if s := h.engine.Status(); s.Sessions != 0 || h.reserved() != 0 {
		t.Errorf("%d sessions are attached and %d places held for a client that left", s.Sessions, h.reserved())
	}
}

// TestCloseEndsThePaused: closing without a drain ends the stream of a paused
// session as it ends any other.
func TestCloseEndsThePaused(t *testing.T) {
	for name, flow := range map[string][]received{
		"active": nil,
		"paused": {{flow: &v1.FlowControl{Action: v1.FlowAction_FLOW_ACTION_PAUSE}}},
	} {
		t.Run(name, func(t *testing.T) {
			h := handlers(t)
			frames := append([]received{{init: &v1.SessionInit{Space: "garden"}}}, flow...)
			frames = append(frames, received{}, // of a newer client
				received{flow: &v1.FlowControl{Action: 99}}, received{close: &v1.SessionClose{}})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // only if it hangs
			defer cancel()
			d := &duplex{
				h: h,
				receive: func() (f received, err error) {
					if len(frames) == 0 {
						return f, io.EOF
					}
					f, frames = frames[0], frames[1:]
					return f, nil
				},
				send: func(any) error { return nil },
			}
			if err := d.run(ctx); err != nil {
				t.Errorf("ended with %v", err)
			}
			if s := h.engine.Status(); s.Sessions != 0 || h.reserved() != 0 {
				t.Errorf("%d sessions are attached and %d places held", s.Sessions, h.reserved())
			}
		})
	}
}

// TestDrainThatCannotEnd: a client that announces more than it sends and then
// stops sending is told so, instead of waiting for ever.
func TestDrainThatCannotEnd(t *testing.T) {
	h := handlers(t)
	frames := []received{
		{init: &v1.SessionInit{Space: "garden"}},
		{observations: &v1.ObservationBatch{FirstSequence: 1, Observations: []*v1.Observation{{Content: "a pear"}}}},
		{close: &v1.SessionClose{Drain: true, LastSequence: 3}},
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // only if it hangs
	defer cancel()
	d := &duplex{
		h: h,
		receive: func() (f received, err error) {
			if len(frames) == 0 {
				return f, io.EOF
			}
			f, frames = frames[0], frames[1:]
			return f, nil
		},
		send: func(any) error { return nil },
	}
	if info, _ := details(t, Status(d.run(ctx))); info.Reason != "SEQUENCE_GAP" {
		t.Errorf("reason %s", info.Reason)
	}
}

// TestPanicsOfStreams: a panic in a goroutine of a stream ends the stream, and
// one in a recall ends the recall; neither ends the server.
func TestPanicsOfStreams(t *testing.T) {
	h := handlers(t)
	d := &duplex{h: h, receive: func() (received, error) { panic("a stumble") }, send: func(any) error { return nil }}
	info, _ := details(t, Status(d.run(t.Context())))
	if info.Reason != "INTERNAL" {
		t.Errorf("reason %s", info.Reason)
	}
	r := &reader{duplex: d} // without a stream: answering is a mistake of ours
	m := &v1.StreamRecall{Recall: &v1.RecallRequest{Cue: &v1.RecallRequest_Text{Text: "x"}}}
	if got := r.answer(t.Context(), m, 0); got.GetError().GetReason() != "INTERNAL" {
		t.Errorf("answer %v", got)
	}
}
