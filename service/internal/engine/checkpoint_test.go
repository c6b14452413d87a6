package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// cut ends an engine as a crash would, and returns what a start finds.
func cut(t testing.TB, e *Engine, fs *vfs.Mem) *vfs.Mem {
	t.Helper()
	left := fs.Crash()
	if err := e.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	return left
}

func keepTexts(t testing.TB, e *Engine, sp memory.SpaceID, in ...Incoming) *Kept {
	t.Helper()
	k, err := e.Observe(t.Context(), Batch{Space: sp, Wait: memory.AckVisible, Lane: memory.LaneNormal, In: in})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func checkpointNow(t testing.TB, e *Engine, w CheckpointWish) CheckpointInfo {
	t.Helper()
	info, err := e.Checkpoint(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func contents(t testing.TB, e *Engine, sp memory.SpaceID) (out []string) {
	t.Helper()
	l := Listing{Space: sp, Size: MaxPage}
	for {
		p, err := e.List(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Stored {
			out = append(out, fmt.Sprintf("%s@%d=%s", s.Observation.ID, s.Generation, s.Observation.Content))
		}
		if l.Token = p.Next; l.Token == "" {
			return out
		}
	}
}

func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Fatalf("%s is %s, want %s", what, g, w)
	}
}

func TestAStartReadsTheCheckpointAndTheTail(t *testing.T) {
	fs := vfs.NewMem(1)
	e := start(t, fs, nil)
	keepTexts(t, e, "notes", text("a", "in the checkpoint"), text("b", "forgotten after it"))
	keepTexts(t, e, "quiet", text("q", "never written again"))
	info := checkpointNow(t, e, CheckpointWish{})
	if info.Spaces != 2 || info.Number != 1 {
		t.Fatalf("%+v", info)
	}
	keepTexts(t, e, "notes", text("c", "in the tail"))
	if _, _, err := e.Forget(t.Context(), "notes", []memory.ObservationID{"b"}, filter.Expr{}); err != nil {
		t.Fatal(err)
	}
	keepTexts(t, e, "later", text("l", "made after it"))
	want := contents(t, e, "notes")
	same(t, "notes", want, []string{"a@1=in the checkpoint", "c@3=in the tail"})
	fs = cut(t, e, fs)

	e = start(t, fs, nil)
	st := e.Status()
	if st.ReplayTotal == 0 || st.Checkpoint.Number != 1 {
		t.Errorf("%+v", st)
	}
	if e.registry.lookup("quiet").space.Stats().Awake {
		t.Error("a space that nothing happened to is awake")
	}
	same(t, "notes", contents(t, e, "notes"), want)
	same(t, "quiet", contents(t, e, "quiet"), []string{"q@1=never written again"})
	same(t, "later", contents(t, e, "later"), []string{"l@1=made after it"})
	k := keepTexts(t, e, "notes", text("a", "in the checkpoint"), text("d", "new"))
	if k.Duplicates != 1 || k.Generation != 5 {
		t.Errorf("%+v", k)
	}
	// A clean stop leaves nothing to read.
	closeEngine(t, e)
	e = start(t, fs, nil)
	defer closeEngine(t, e)
	if n := e.Status().ReplayTotal; n > 64 {
		t.Errorf("%d bytes to read after a clean stop", n)
	}
	same(t, "notes", len(contents(t, e, "notes")), 3)
}

func TestCheckpointsTrimTheJournal(t *testing.T) {
	fs := vfs.NewMem(1)
	small := func(o *Options) { o.Journal.SegmentBytes = 64 << 10 }
	e := start(t, fs, small)
	for round := range 6 {
		for i := range 20 {
			keepTexts(t, e, "notes", text("", fmt.Sprintf("%d-%d %s", round, i, strings.Repeat("x", 2000))))
		}
		checkpointNow(t, e, CheckpointWish{})
	}
	if n := e.journal.Usage().Segments; n > 4 {
		t.Errorf("%d segments are kept", n)
	}
	want := contents(t, e, "notes")
	fs = cut(t, e, fs)
	e = start(t, fs, small)
	defer closeEngine(t, e)
	same(t, "after a crash", contents(t, e, "notes"), want)
}

// onDisk is every byte of every file below the directories.
func onDisk(t testing.TB, fs *vfs.Mem, dirs ...string) []byte {
	t.Helper()
	var all []byte
	for _, dir := range dirs {
		names, err := fs.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			f, err := fs.OpenRead(dir + "/" + name)
			if err != nil {
				t.Fatal(err)
			}
			size, _ := f.Size() //nolint:errcheck // read below
			b := make([]byte, size)
			if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			f.Close() //nolint:errcheck // only read
			all = append(all, b...)
		}
	}
	return all
}

func TestErasedBytesAreNowhere(t *testing.T) {
	fs := vfs.NewMem(1)
	e := start(t, fs, nil)
	keepTexts(t, e, "notes", text("a", "needle one"), text("b", "stays"))
	keepTexts(t, e, "doomed", text("d", "needle two"))
	keepTexts(t, e, "other", text("o", "lies in the same file"))
	checkpointNow(t, e, CheckpointWish{})
	if _, _, err := e.Forget(t.Context(), "notes", []memory.ObservationID{"a"}, filter.Expr{}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.DeleteSpace(t.Context(), "doomed"); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(onDisk(t, fs, "data", "data.checkpoints"), []byte("needle")) {
		t.Fatal("there is no needle to begin with")
	}
	checkpointNow(t, e, CheckpointWish{Erase: true})
	if all := onDisk(t, fs, "data", "data.checkpoints"); bytes.Contains(all, []byte("needle")) {
		t.Error("a needle is still on disk")
	}
	fs = cut(t, e, fs)
	e = start(t, fs, nil)
	defer closeEngine(t, e)
	same(t, "notes", contents(t, e, "notes"), []string{"b@2=stays"})
	same(t, "other", contents(t, e, "other"), []string{"o@1=lies in the same file"})
	if _, err := e.Space("doomed"); reasonOf(err) != fault.SpaceNotFound {
		t.Errorf("a deleted space: %v", err)
	}
	// Its generations go on where they ended.
	if k := keepTexts(t, e, "doomed", text("d", "another life")); k.Generation != 3 {
		t.Errorf("the next life begins at %d", k.Generation)
	}
}

func TestSessionsLiveInCheckpoints(t *testing.T) {
	fs := vfs.NewMem(1)
	e := start(t, fs, nil)
	c := attach(t, e, OpenStream{Space: "notes", Lane: memory.LaneHigh})
	id := c.st.Welcome().ID
	bad := vec(1, 2, 3)
	bad.Observation.Confidence = 2
	if err := c.st.Observe(t.Context(), 1, []Incoming{vec(1, 0, 0), bad, vec(0, 1, 0)}); err != nil {
		t.Fatal(err)
	}
	c.acked(memory.AckVisible, 3)
	checkpointNow(t, e, CheckpointWish{Erase: true}) // the frames are gone
	c.st.Close()
	fs = cut(t, e, fs)

	e = start(t, fs, nil)
	defer closeEngine(t, e)
	c = attach(t, e, OpenStream{Space: "notes", Session: id})
	if w := c.st.Welcome(); !w.Resumed || w.Next != 4 || w.Durable != 3 {
		t.Fatalf("resumed at %+v", w)
	}
	if err := c.st.Observe(t.Context(), 3, []Incoming{vec(0, 1, 0), vec(0, 0, 1)}); err != nil {
		t.Fatal(err)
	}
	if g := c.acked(memory.AckVisible, 4); g != 3 {
		t.Fatalf("visible at generation %d, want 3", g)
	}
	c.st.Close()
}

func TestNamesAreUsedAgainAroundCheckpoints(t *testing.T) {
	fs := vfs.NewMem(1)
	e := start(t, fs, nil)
	for life := range 4 {
		keepTexts(t, e, "phoenix", text("a", fmt.Sprintf("life %d", life)))
		keepTexts(t, e, "steady", text("", fmt.Sprintf("year %d", life)))
		if life%2 == 0 {
			checkpointNow(t, e, CheckpointWish{})
		}
		if life < 3 {
			if _, err := e.DeleteSpace(t.Context(), "phoenix"); err != nil {
				t.Fatal(err)
			}
		}
		if life == 1 {
			checkpointNow(t, e, CheckpointWish{})
		}
		fs = cut(t, e, fs)
		e = start(t, fs, nil)
		same(t, "spaces", e.registry.count(), map[bool]int{true: 1, false: 2}[life < 3])
	}
	defer closeEngine(t, e)
	same(t, "phoenix", contents(t, e, "phoenix"), []string{"a@7=life 3"})
	same(t, "steady", len(contents(t, e, "steady")), 4)
}

func TestADamagedSpaceDoesNotHurtOthers(t *testing.T) {
	fs := vfs.NewMem(1)
	e := start(t, fs, nil)
	keepTexts(t, e, "sound", text("s", "here"))
	info := checkpointNow(t, e, CheckpointWish{})
	keepTexts(t, e, "broken", text("b", "in another file"))
	checkpointNow(t, e, CheckpointWish{})
	file := e.registry.lookup("broken").entry.Manifest.File
	fs = cut(t, e, fs)
	f, err := fs.OpenReadWrite(fmt.Sprintf("data.checkpoints/%016x.ckpt", uint64(file)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("rubbish"), 200); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	_ = info

	e = start(t, fs, nil)
	defer closeEngine(t, e)
	same(t, "sound", contents(t, e, "sound"), []string{"s@1=here"})
	cue := "another"
	if _, err := e.Recall(t.Context(), Cue{Space: "broken", Text: &cue}); reasonOf(err) != fault.SpaceDamaged {
		t.Errorf("recall of a damaged space: %v", err)
	}
	if _, err := e.Observe(t.Context(), Batch{Space: "broken", Wait: memory.AckDurable, Lane: memory.LaneNormal, In: []Incoming{text("", "more")}}); reasonOf(err) != fault.SpaceDamaged {
		t.Errorf("observing into a damaged space: %v", err)
	}
	keepTexts(t, e, "sound", text("t", "and goes on"))
	checkpointNow(t, e, CheckpointWish{})
	if len(e.Status().Checkpoint.Damage) == 0 {
		t.Error("the damage is not reported")
	}
}

func TestIdleSpacesFallAsleep(t *testing.T) {
	fs := vfs.NewMem(1)
	e := start(t, fs, nil)
	defer closeEngine(t, e)
	keepTexts(t, e, "notes", text("a", "one"), text("b", "two"))
	e.opts.Checkpoint.HibernateAfter = 1
	e.hibernate(t.Context())
	if st := e.Status(); st.Checkpoint.Asleep != 0 {
		t.Fatal("asleep with frames that no checkpoint has")
	}
	checkpointNow(t, e, CheckpointWish{})
	e.hibernate(t.Context())
	if st := e.Status(); st.Checkpoint.Asleep != 1 || st.Live != 2 {
		t.Fatalf("%+v", st)
	}
	if got := ask(t, e, "notes", "two"); len(got) != 2 {
		t.Fatalf("recalled %q", got)
	}
	e.hibernate(t.Context())
	if k := keepTexts(t, e, "notes", text("a", "one"), text("c", "three")); k.Duplicates != 1 || k.Generation != 3 {
		t.Fatalf("%+v", k)
	}
}
