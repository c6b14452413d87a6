package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/engram-stream/engram/service/internal/embed"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/session"
	"github.com/engram-stream/engram/service/internal/space"
	"github.com/engram-stream/engram/service/internal/telemetry"
	"github.com/engram-stream/engram/service/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start opens an engine over a file system; the test closes it.
func start(t testing.TB, fs vfs.FS, change func(*Options)) *Engine {
	t.Helper()
	h, err := embed.NewHashing(0)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Journal: journal.Options{FS: fs, Dir: "data", SegmentBytes: 4 << 20}, Embedders: []embed.Embedder{h}}
	if change != nil {
		change(&o)
	}
	e, err := New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func closeEngine(t testing.TB, e *Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := e.Drain(ctx); err != nil {
		t.Errorf("drain: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func text(id, s string) Incoming {
	o := &memory.Observation{ID: memory.ObservationID(id), Content: s, Confidence: 0.7}
	o.Digest, _ = memory.DigestOf(o)
	return Incoming{Observation: o, Bytes: len(s) + 16, Trip: telemetry.Trip{Began: time.Now()}}
}

func vec(v ...float32) Incoming {
	return Incoming{Observation: &memory.Observation{Vector: v, Encoding: memory.EncodingValues}, Bytes: 4*len(v) + 8, Trip: telemetry.Trip{Began: time.Now()}}
}

func ask(t testing.TB, e *Engine, sp memory.SpaceID, q string) []string {
	t.Helper()
	r, err := e.Recall(t.Context(), Cue{Space: sp, Text: &q})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, h := range r.Hits {
		out = append(out, h.Observation.Content)
	}
	return out
}

func reasonOf(err error) fault.Reason {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Reason
	}
	return ""
}

func TestObserveThenRecallSurvivesRestart(t *testing.T) {
	fs := vfs.NewMem(1)
	e := start(t, fs, nil)
	kept, err := e.Observe(t.Context(), Batch{Space: "notes", Wait: memory.AckVisible, Lane: memory.LaneNormal, In: []Incoming{
		text("a", "the kettle is in the red box"), text("", "the train leaves at nine"), text("a", "the kettle is in the red box"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(kept.IDs) != 3 || kept.Duplicates != 1 || kept.Generation != 2 || len(kept.Rejections) != 0 {
		t.Fatalf("%+v", kept)
	}
	if got := ask(t, e, "notes", "where is the kettle?"); len(got) != 2 || got[0] != "the kettle is in the red box" {
		t.Fatalf("recalled %q", got)
	}
	closeEngine(t, e)

	e = start(t, fs, nil)
	defer closeEngine(t, e)
	if got := ask(t, e, "notes", "when does the train leave?"); len(got) != 2 || got[0] != "the train leaves at nine" {
		t.Fatalf("after a restart: %q", got)
	}
	again, err := e.Observe(t.Context(), Batch{Space: "notes", Wait: memory.AckIndexed, Lane: memory.LaneNormal, In: []Incoming{text("a", "the kettle is in the red box")}})
	if err != nil || again.Duplicates != 1 || again.Generation != 2 {
		t.Fatalf("%+v, %v", again, err)
	}
}

// client drives a stream as a well-behaved client would, and collects what it
// is told.
type client struct {
	t      testing.TB
	st     *Stream
	events chan session.Event
	done   chan error
}

func attach(t testing.TB, e *Engine, o OpenStream) *client {
	t.Helper()
	st, err := e.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, st: st, events: make(chan session.Event, 10_000), done: make(chan error, 1)}
	go func() {
		for {
			events, err := st.Next(t.Context(), nil)
			for _, ev := range events {
				c.events <- ev
			}
			if err != nil {
				c.done <- err
				close(c.events)
				return
			}
		}
	}()
	return c
}

// until waits for the first event that f accepts.
func (c *client) until(f func(session.Event) bool) session.Event {
	c.t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case ev, ok := <-c.events:
			if !ok {
				c.t.Fatalf("the stream ended: %v", <-c.done)
			}
			if f(ev) {
				return ev
			}
		case <-timeout:
			c.t.Fatal("nothing came for 30 s")
		}
	}
}

func (c *client) acked(level memory.AckLevel, through memory.Sequence) memory.Generation {
	c.t.Helper()
	ev := c.until(func(ev session.Event) bool {
		a, ok := ev.(session.Ack)
		return ok && a.Level == level && a.Through >= through
	})
	return ev.(session.Ack).Generation
}

func TestStreamAcksRejectsAndResumes(t *testing.T) {
	fs := vfs.NewMem(1)
	e := start(t, fs, nil)
	c := attach(t, e, OpenStream{Space: "notes", Lane: memory.LaneNormal})
	id := c.st.Welcome().ID
	bad := vec(1, 2, 3)
	bad.Observation.Confidence = 2
	if err := c.st.Observe(t.Context(), 1, []Incoming{vec(1, 0, 0), bad, vec(0, 1, 0), vec(1, 0)}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		seq    memory.Sequence
		reason fault.Reason
	}{{2, fault.InvalidField}, {4, fault.InvalidDimension}} {
		ev := c.until(func(ev session.Event) bool { _, ok := ev.(session.Rejected); return ok }).(session.Rejected)
		if ev.Sequence != want.seq || ev.Reason != string(want.reason) {
			t.Fatalf("rejected %+v, want %+v", ev, want)
		}
	}
	if g := c.acked(memory.AckVisible, 4); g != 2 {
		t.Fatalf("visible at generation %d, want 2", g)
	}
	// A gap: told once, nothing consumed.
	if err := c.st.Observe(t.Context(), 7, []Incoming{vec(1, 1, 1)}); err != nil {
		t.Fatal(err)
	}
	if r := c.until(func(ev session.Event) bool { _, ok := ev.(session.Refusal); return ok }).(session.Refusal); r.Expected != 5 || r.Fault.Reason != fault.SequenceGap {
		t.Fatalf("refusal %+v", r)
	}
	c.st.Close()
	closeEngine(t, e)

	e = start(t, fs, nil)
	defer closeEngine(t, e)
	c = attach(t, e, OpenStream{Space: "notes", Session: id})
	w := c.st.Welcome()
	if !w.Resumed || w.Next != 5 || w.Durable != 4 {
		t.Fatalf("resumed at %+v", w)
	}
	if r := c.until(func(ev session.Event) bool { _, ok := ev.(session.Rejected); return ok }).(session.Rejected); r.Sequence != 2 {
		t.Fatalf("rejections are not repeated after a restart: %+v", r)
	}
	// Sending 3..5 again: 3 and 4 are duplicates, 5 is new.
	if err := c.st.Observe(t.Context(), 3, []Incoming{vec(0, 1, 0), vec(1, 0), vec(0, 0, 1)}); err != nil {
		t.Fatal(err)
	}
	if g := c.acked(memory.AckVisible, 5); g != 3 {
		t.Fatalf("visible at generation %d, want 3", g)
	}
	if err := c.st.Drain(5); err != nil {
		t.Fatal(err)
	}
	end := c.until(func(ev session.Event) bool { _, ok := ev.(session.Ended); return ok }).(session.Ended)
	if end.Final != 5 || end.Accepted != 3 || end.Counts.Rejected != 2 || end.Counts.Duplicates != 2 {
		t.Fatalf("ended with %+v", end)
	}
	c.st.Close()
	if _, err := e.Open(t.Context(), OpenStream{Space: "notes", Session: id}); reasonOf(err) != fault.SessionClosed {
		t.Fatalf("resuming a closed session: %v", err)
	}
}

func TestSessionByUnaryCalls(t *testing.T) {
	e := start(t, vfs.NewMem(1), nil)
	defer closeEngine(t, e)
	b := Batch{Space: "notes", Session: "mine-1", First: 1, Wait: memory.AckVisible, Lane: memory.LaneNormal}
	send := func(first memory.Sequence, in ...Incoming) (*Kept, error) {
		b.First, b.In = first, in
		return e.Observe(t.Context(), b)
	}
	if k, err := send(1, text("", "one"), text("", "two")); err != nil || k.Next != 3 || k.Duplicates != 0 || len(k.IDs) != 2 {
		t.Fatalf("%+v, %v", k, err)
	}
	if k, err := send(2, text("", "two"), text("", "three")); err != nil || k.Next != 4 || k.Duplicates != 1 || k.Generation != 3 || len(k.IDs) != 2 {
		t.Fatalf("%+v, %v", k, err)
	}
	if _, err := send(9, text("", "far")); reasonOf(err) != fault.SequenceGap || !strings.Contains(err.Error(), "4") {
		t.Fatalf("a gap: %v", err)
	}
	b.Session = "unknown-1"
	if _, err := send(5, text("", "x")); reasonOf(err) != fault.SessionExpired {
		t.Fatalf("an unknown session: %v", err)
	}
}

func TestGenerationsGoOnAfterDeleteAndRecreate(t *testing.T) {
	fs := vfs.NewMem(1)
	e := start(t, fs, nil)
	put := func(s string) memory.Generation {
		k, err := e.Observe(t.Context(), Batch{Space: "notes", Wait: memory.AckVisible, Lane: memory.LaneNormal, In: []Incoming{text("", s)}})
		if err != nil {
			t.Fatal(err)
		}
		return k.Generation
	}
	put("one")
	put("two")
	if n, err := e.DeleteSpace(t.Context(), "notes"); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	if _, err := e.Recall(t.Context(), Cue{Space: "notes", Example: "x"}); reasonOf(err) != fault.SpaceNotFound {
		t.Fatal(err)
	}
	if g := put("three"); g != 4 {
		t.Fatalf("generation %d after delete, want 4", g)
	}
	closeEngine(t, e)
	e = start(t, fs, nil)
	defer closeEngine(t, e)
	if got := ask(t, e, "notes", "three"); fmt.Sprint(got) != "[three]" {
		t.Fatalf("after a restart: %v", got)
	}
	if g := put("four"); g != 5 {
		t.Fatalf("generation %d after restart, want 5", g)
	}
}

func TestForgetAndList(t *testing.T) {
	e := start(t, vfs.NewMem(1), nil)
	defer closeEngine(t, e)
	var in []Incoming
	for i := range 25 {
		in = append(in, text(fmt.Sprintf("id-%02d", i), fmt.Sprintf("note number %d", i)))
	}
	if _, err := e.Observe(t.Context(), Batch{Space: "notes", Wait: memory.AckVisible, Lane: memory.LaneNormal, In: in}); err != nil {
		t.Fatal(err)
	}
	n, at, err := e.Forget(t.Context(), "notes", []memory.ObservationID{"id-03", "id-04", "nope"}, filter.Expr{})
	if n != 2 || at != 26 || err != nil {
		t.Fatal(n, at, err)
	}
	seen := 0
	l := Listing{Space: "notes", Size: 10}
	for {
		p, err := e.List(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		seen += len(p.Stored)
		if l.Token = p.Next; l.Token == "" {
			break
		}
	}
	if seen != 23 {
		t.Fatalf("listed %d, want 23", seen)
	}
	if _, _, err := e.Forget(t.Context(), "notes", nil, filter.Expr{}); reasonOf(err) != fault.InvalidFilter {
		t.Fatal(err)
	}
}

func TestDrainEndsWhoeverOnlyWaits(t *testing.T) {
	e := start(t, vfs.NewMem(1), nil)
	if _, err := e.Observe(t.Context(), Batch{Space: "notes", Wait: memory.AckVisible, Lane: memory.LaneNormal, In: []Incoming{text("a", "one")}}); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 2)
	seen := make(chan struct{})
	go func() {
		since := memory.Generation(0)
		waiting <- e.Watch(context.Background(), "notes", &since, filter.Expr{}, func([]space.Stored, memory.Generation) error {
			close(seen)
			return nil
		})
	}()
	go func() {
		_, err := e.Recall(context.Background(), Cue{Space: "notes", Example: "a", Consistency: space.Consistency{Mode: space.AtLeast, Generation: 9}})
		waiting <- err
	}()
	<-seen
	closeEngine(t, e)
	for range 2 {
		if err := <-waiting; reasonOf(err) != fault.Draining {
			t.Errorf("a waiter ended with %v", err)
		}
	}
}

func TestLateItemsDoNotReachTheNextSpaceOfTheName(t *testing.T) {
	e := start(t, vfs.NewMem(1), nil)
	defer closeEngine(t, e)
	c := attach(t, e, OpenStream{Space: "notes", Lane: memory.LaneNormal})
	if err := c.st.Observe(t.Context(), 1, []Incoming{text("", "of the first life")}); err != nil {
		t.Fatal(err)
	}
	c.acked(memory.AckVisible, 1)
	if _, err := e.DeleteSpace(t.Context(), "notes"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.CreateSpace(t.Context(), NewSpace{ID: "notes"}); err != nil {
		t.Fatal(err)
	}
	// As if it had been on its way between the session and the queue.
	late := itemsOf("notes", "", memory.NewIncarnation(), memory.LaneNormal, c.st.owner, []Incoming{text("", "late")}, 2, nil)
	if f := c.st.account.Admit(2, 1, int64(late[0].Bytes)); f != nil {
		t.Fatal(f)
	}
	e.queue.Push(late)
	e.pool.Notify("notes")
	if err := e.pool.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sp, err := e.Space("notes"); err != nil || sp.Stats().Rows != 0 {
		t.Fatalf("%+v, %v", sp.Stats(), err)
	}
	c.st.Close()
}

func TestIndexedIsToldAfterARestartToo(t *testing.T) {
	fs := vfs.NewMem(1)
	graph := func(o *Options) { o.Space.IndexThreshold = -1 }
	e := start(t, fs, graph)
	c := attach(t, e, OpenStream{Space: "notes", Lane: memory.LaneNormal})
	id := c.st.Welcome().ID
	if err := c.st.Observe(t.Context(), 1, []Incoming{vec(1, 0), vec(0, 1), vec(1, 1)}); err != nil {
		t.Fatal(err)
	}
	c.acked(memory.AckVisible, 3)
	c.st.Close()
	closeEngine(t, e)

	e = start(t, fs, graph)
	defer closeEngine(t, e)
	c = attach(t, e, OpenStream{Space: "notes", Session: id, Levels: []memory.AckLevel{memory.AckIndexed}})
	defer c.st.Close()
	if g := c.acked(memory.AckIndexed, 3); g != 3 {
		t.Fatalf("indexed at generation %d, want 3", g)
	}
	r, err := e.Recall(t.Context(), Cue{Space: "notes", Vector: []float32{1, 0}})
	if err != nil || len(r.Hits) != 3 || !r.Hits[0].InGraph || r.Scanned != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestDrainDoesNotWaitForTheGraph(t *testing.T) {
	e := start(t, vfs.NewMem(1), func(o *Options) { o.Space.IndexThreshold = -1 })
	e.indexer.close() // a graph that is behind for ever
	waiting := make(chan error, 1)
	go func() {
		_, err := e.Observe(context.Background(), Batch{Space: "notes", Lane: memory.LaneNormal, Wait: memory.AckIndexed, In: []Incoming{vec(1, 0)}})
		waiting <- err
	}()
	for e.Status().Live == 0 { // nothing else tells; bounded by the test's own deadline
		runtime.Gosched()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := e.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; reasonOf(err) != fault.Draining {
		t.Fatalf("the call ended with %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}
