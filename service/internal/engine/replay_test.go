package engine

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/engram-stream/engram/service/internal/embed"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/space"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// gate holds back the second reading of the journal after the checkpoints were
// opened: the first finds out where it will end, the second carries it out.
type gate struct {
	mu      sync.Mutex
	armed   bool
	opened  int
	reached chan struct{}
	release chan struct{}
}

func (g *gate) hook(c vfs.Call) error {
	g.mu.Lock()
	if strings.Contains(c.Name, "checkpoints") {
		g.armed = true
	}
	stop := false
	if g.armed && c.Op == vfs.OpOpen && strings.HasPrefix(c.Name, "data/") {
		g.opened++
		stop = g.opened == 2
	}
	g.mu.Unlock()
	if stop {
		close(g.reached)
		<-g.release
	}
	return nil
}

func TestRecallsAreAnsweredDuringReplay(t *testing.T) {
	fs := vfs.NewMem(1)
	e := start(t, fs, nil)
	keepTexts(t, e, "notes", text("a", "the kettle is in the red box"))
	checkpointNow(t, e, CheckpointWish{})
	keepTexts(t, e, "notes", text("b", "the train leaves at nine"), text("c", "the cat sleeps"))
	fs = cut(t, e, fs)

	g := &gate{reached: make(chan struct{}), release: make(chan struct{})}
	h, err := embed.NewHashing(0)
	if err != nil {
		t.Fatal(err)
	}
	e, err = Open(context.Background(), Options{
		Journal: journal.Options{FS: vfs.NewInject(fs, g.hook), Dir: "data", SegmentBytes: 4 << 20}, Embedders: []embed.Embedder{h},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer closeEngine(t, e)
	<-g.reached
	cue := "kettle"
	r, err := e.Recall(t.Context(), Cue{Space: "notes", Text: &cue})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Replaying || r.Recoverable != 3 || r.Snapshot.Generation != 1 || len(r.Hits) != 1 {
		t.Errorf("during replay: replaying %v, generation %d of %d, %d hits", r.Replaying, r.Snapshot.Generation, r.Recoverable, len(r.Hits))
	}
	if ok, why := e.Ready(); ok || !strings.Contains(why, "replaying") {
		t.Errorf("ready %v: %s", ok, why)
	}
	if e.State() != Replaying {
		t.Errorf("state %v", e.State())
	}
	if st := e.Status(); st.ReplayTotal == 0 {
		t.Errorf("%+v", st)
	}
	for what, write := range map[string]func() error{
		"observe": func() error {
			_, err := e.Observe(t.Context(), Batch{Space: "notes", Wait: memory.AckDurable, In: []Incoming{text("", "too early")}})
			return err
		},
		"forget": func() error {
			_, _, err := e.Forget(t.Context(), "notes", []memory.ObservationID{"a"}, filter.Expr{})
			return err
		},
		"create":     func() error { _, _, err := e.CreateSpace(t.Context(), NewSpace{ID: "new"}); return err },
		"delete":     func() error { _, err := e.DeleteSpace(t.Context(), "notes"); return err },
		"update":     func() error { _, err := e.UpdateSpace(t.Context(), "notes", nil, nil, nil); return err },
		"stream":     func() error { _, err := e.Open(t.Context(), OpenStream{Space: "notes"}); return err },
		"checkpoint": func() error { _, err := e.Checkpoint(t.Context(), CheckpointWish{}); return err },
		"watch":      func() error { _, _, err := e.WatchSession("later", nil); return err },
		"close":      func() error { _, err := e.CloseSession(t.Context(), "later"); return err },
	} {
		if f := fault.Of(write()); f.Reason != fault.Replaying || f.RetryAfter == 0 {
			t.Errorf("%s during replay: %v", what, f)
		}
	}
	// at_least waits for it.
	answered := make(chan error, 1)
	go func() {
		r, err := e.Recall(t.Context(), Cue{Space: "notes", Text: &cue, Consistency: space.Consistency{Mode: space.AtLeast, Generation: 3}})
		if err == nil && len(r.Hits) != 3 {
			err = fault.New(fault.Internal, fault.Bug, "%d hits", len(r.Hits))
		}
		answered <- err
	}()
	close(g.release)
	select {
	case <-e.Replayed():
	case <-time.After(30 * time.Second):
		t.Fatal("the replay does not end")
	}
	if err := e.ReplayError(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if r, err = e.Recall(t.Context(), Cue{Space: "notes", Text: &cue}); err != nil || r.Replaying || r.Recoverable != 3 {
		t.Errorf("after replay: %+v, %v", r, err)
	}
}

// A stop during replay is a stop like any other.
func TestCloseDuringReplay(t *testing.T) {
	fs := vfs.NewMem(1)
	e := start(t, fs, nil)
	keepTexts(t, e, "notes", text("a", "one"))
	fs = cut(t, e, fs)
	g := &gate{reached: make(chan struct{}), release: make(chan struct{})}
	e, err := Open(context.Background(), Options{Journal: journal.Options{FS: vfs.NewInject(fs, g.hook), Dir: "data", SegmentBytes: 4 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	<-g.reached
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		closeEngine(t, e)
	}()
	close(g.release)
	<-ended
	e = start(t, fs, nil)
	defer closeEngine(t, e)
	same(t, "what is there", contents(t, e, "notes"), []string{"a@1=one"})
}
