package engine

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/engram-stream/engram/service/internal/embed"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/session"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// moody is the built-in embedder with bad days.
type moody struct {
	*embed.Hashing
	down atomic.Bool
}

func (m *moody) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	if m.down.Load() {
		return nil, fault.Retry(fault.Unavailable, fault.EmbedderDown, 30*time.Millisecond, "the embedder does not answer")
	}
	for _, s := range texts {
		if s == "unspeakable" {
			return nil, fault.New(fault.InvalidArgument, fault.InvalidField, "the embedder refuses this text")
		}
	}
	return m.Hashing.Embed(ctx, texts)
}

func withMoody(t *testing.T) (*Engine, *moody) {
	t.Helper()
	h, err := embed.NewHashing(0)
	if err != nil {
		t.Fatal(err)
	}
	m := &moody{Hashing: h}
	return start(t, vfs.NewMem(1), func(o *Options) { o.Embedders = []embed.Embedder{m} }), m
}

func TestEmbedderDownIsARefusalAndConsumesNothing(t *testing.T) {
	e, m := withMoody(t)
	defer closeEngine(t, e)
	c := attach(t, e, OpenStream{Space: "notes", Lane: memory.LaneNormal})
	defer c.st.Close()
	send := func(first memory.Sequence, texts ...string) {
		t.Helper()
		var in []Incoming
		for _, s := range texts {
			in = append(in, text("", s))
		}
		if err := c.st.Observe(t.Context(), first, in); err != nil {
			t.Fatal(err)
		}
	}
	send(1, "one")
	c.acked(memory.AckVisible, 1)
	m.down.Store(true)
	send(2, "two", "three")
	send(4, "four") // discarded: 2 has not come again
	r := c.until(func(ev session.Event) bool { _, ok := ev.(session.Refusal); return ok }).(session.Refusal)
	if r.Expected != 2 || r.Fault.Reason != fault.EmbedderDown || r.Fault.RetryAfter < 30*time.Millisecond || !r.Fault.Retryable {
		t.Fatalf("%+v %+v", r, r.Fault)
	}
	_, err := e.Observe(t.Context(), Batch{Space: "notes", Lane: memory.LaneNormal, Wait: memory.AckVisible, In: []Incoming{text("", "by call")}})
	if reasonOf(err) != fault.EmbedderDown {
		t.Fatalf("a call: %v", err)
	}
	m.down.Store(false)
	send(2, "two", "three", "four")
	if g := c.acked(memory.AckVisible, 4); g != 4 {
		t.Fatalf("visible at generation %d, want 4", g)
	}
	if got := ask(t, e, "notes", "three"); got[0] != "three" || len(got) != 4 {
		t.Fatalf("recalled %q", got)
	}
	if q := e.queue.Stats().Lanes[memory.LaneNormal]; q.Depth != 0 {
		t.Fatalf("%+v", q)
	}
}

func TestATextTheEmbedderRefusesIsRejectedAlone(t *testing.T) {
	e, _ := withMoody(t)
	defer closeEngine(t, e)
	k, err := e.Observe(t.Context(), Batch{Space: "notes", Lane: memory.LaneNormal, Wait: memory.AckVisible, In: []Incoming{
		text("", "good"), text("bad", "unspeakable"), text("", "fine"),
	}})
	if err != nil || len(k.Rejections) != 1 || k.Rejections[0].Sequence != 2 || k.Rejections[0].ObservationID != "bad" || k.Generation != 2 {
		t.Fatalf("%+v, %v", k, err)
	}
}

func TestAllPlacesComeBack(t *testing.T) {
	e := start(t, vfs.NewMem(1), nil)
	defer closeEngine(t, e)
	for k := range 4 {
		c := attach(t, e, OpenStream{Space: memory.SpaceID(fmt.Sprintf("space-%d", k)), Lane: memory.Lane(k % 3)})
		for i := range 20 {
			if err := c.st.Observe(t.Context(), memory.Sequence(10*i+1), []Incoming{
				vec(1, 2), vec(1), vec(3, 4), vec(0, 0), vec(1, 2), vec(1, 2), vec(1, 2), vec(1, 2), vec(1, 2), vec(1, 2),
			}); err != nil {
				t.Fatal(err)
			}
		}
		c.acked(memory.AckVisible, 200)
		c.st.Close()
	}
	if _, err := e.Observe(t.Context(), Batch{Space: "space-0", Lane: memory.LaneLow, Wait: memory.AckVisible, In: []Incoming{vec(1, 2)}}); err != nil {
		t.Fatal(err)
	}
	for l, q := range e.queue.Stats().Lanes {
		if q.Reserved != 0 || q.ReservedBytes != 0 || q.Depth != 0 || q.Bytes != 0 {
			t.Errorf("lane %d keeps places when all is done: %+v", l, q)
		}
	}
}
