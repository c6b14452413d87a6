package checkpoint_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// attempt writes one round and commits it, giving up its files on an error.
func attempt(s *checkpoint.Store, position uint64, size int) (err error) {
	w, err := s.Create(nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Abort())
		}
	}()
	r, err := w.Append(make([]byte, size))
	if err != nil {
		return err
	}
	if err := w.Finish(); err != nil {
		return err
	}
	_, err = s.Commit(checkpoint.Catalog{Position: position, Spaces: []checkpoint.Entry{{
		Space: "tests", Manifest: r, Files: []checkpoint.FileID{w.ID()},
	}}})
	return err
}

// TestEveryCallFails makes each call of a round to the disk fail once. The
// former catalog stays in force, is whole, and is so or replaced by the new one
// after a restart; a store that has not ended takes the next round.
func TestEveryCallFails(t *testing.T) {
	bad := errors.New("the disk is bad")
	ops := []vfs.Op{vfs.OpCreate, vfs.OpWrite, vfs.OpSync, vfs.OpRename, vfs.OpSyncDir, vfs.OpRemove}
	for _, op := range ops {
		t.Run(string(op), func(t *testing.T) {
			failures := 0
			for nth := 1; ; nth++ {
				disk := vfs.NewMem(uint64(nth))
				fsys := vfs.NewInject(disk, nil)
				s := open(t, fsys)
				check(t, attempt(s, 1, 100))
				check(t, attempt(s, 2, 100))
				before := fsys.Count(op)
				fsys.SetHook(vfs.FailNth(op, before+nth, bad))
				err := attempt(s, 3, 100)
				hit := fsys.Count(op) >= before+nth
				fsys.SetHook(nil)
				if !hit {
					check(t, err)
					check(t, s.Close())
					break
				}
				failures++
				afterFailure(t, s, disk, err, bad)
			}
			if failures == 0 {
				t.Fatal("no such call is made")
			}
			t.Logf("%d places", failures)
		})
	}
}

func afterFailure(t *testing.T, s *checkpoint.Store, disk *vfs.Mem, err, bad error) {
	t.Helper()
	force := uint64(2)
	if err == nil {
		force = 3 // it was only about what is not needed any more
	} else if !errors.Is(err, bad) {
		t.Fatalf("the error is %v", err)
	}
	if got := s.Latest().Position; got != force {
		t.Fatalf("%d is in force after %v", got, err)
	}
	must[[]byte](t)(read(s, s.Latest().Spaces[0].Manifest))
	// A power cut now.
	after := open(t, disk.Crash())
	if got := after.Latest().Position; got != force && got != 3 || len(after.Damage()) > 0 {
		t.Fatalf("after a restart %d is in force, damage %v", got, after.Damage())
	}
	must[[]byte](t)(read(after, after.Latest().Spaces[0].Manifest))
	must[[]byte](t)(read(after, after.Previous().Spaces[0].Manifest))
	check(t, after.Close())

	var failed *checkpoint.FailedError
	again := attempt(s, 4, 100)
	switch {
	case errors.As(err, &failed):
		if !errors.As(again, &failed) || s.Latest().Position != force {
			t.Fatalf("a store that has failed goes on: %v", again)
		}
	case errors.As(again, &failed): // the sync after removing what is old failed
		if err != nil || s.Latest().Position != force {
			t.Fatalf("%v, and then %v", err, again)
		}
	default:
		check(t, again)
		if got := s.Latest().Position; got != 4 {
			t.Fatalf("%d is in force", got)
		}
		// What could not be removed before is gone now.
		if names := must[[]string](t)(disk.List(dir)); len(names) != 4 {
			t.Fatalf("left: %v", names)
		}
	}
	check(t, s.Close())
}

// TestFullDisk fills the disk up at every size: each attempt fails cleanly or
// succeeds, and once there is room it goes on.
func TestFullDisk(t *testing.T) {
	failures := 0
	for room := int64(0); room < 2400; room += 80 {
		disk := vfs.NewMem(1)
		s := open(t, disk)
		check(t, attempt(s, 1, 100))
		sp := must[vfs.Space](t)(disk.Space(dir))
		disk.SetCapacity(int64(sp.Total-sp.Free) + room)
		err := attempt(s, 2, 1000)
		force := uint64(2)
		if err != nil {
			failures++
			force = 1
			if !vfs.IsNoSpace(err) {
				t.Fatalf("room for %d: %v", room, err)
			}
			if names := must[[]string](t)(disk.List(dir)); len(names) != 2 {
				t.Fatalf("left: %v", names)
			}
		}
		if got := s.Latest().Position; got != force {
			t.Fatalf("%d is in force after %v", got, err)
		}
		disk.SetCapacity(0)
		check(t, attempt(s, 3, 1000))
		check(t, s.Close())
	}
	if failures == 0 {
		t.Fatal("the disk was never full")
	}
}

func TestCommitRefuses(t *testing.T) {
	s := open(t, vfs.NewMem(1))
	w := must[*checkpoint.Writer](t)(s.Create(nil))
	r := must[checkpoint.Ref](t)(w.Append([]byte("manifest")))
	entry := func(change func(*checkpoint.Entry)) checkpoint.Catalog {
		e := checkpoint.Entry{Space: "tests", Manifest: r, Files: []checkpoint.FileID{w.ID()}}
		change(&e)
		return checkpoint.Catalog{Spaces: []checkpoint.Entry{e}}
	}
	refused := func(name string, c checkpoint.Catalog) {
		t.Helper()
		var e *checkpoint.CatalogError
		if _, err := s.Commit(c); !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := entry(func(*checkpoint.Entry) {})
	refused("file that is being written", good)
	check(t, w.Finish())
	refused("name", entry(func(e *checkpoint.Entry) { e.Space = "No" }))
	refused("twice", checkpoint.Catalog{Spaces: append(good.Spaces, good.Spaces...)})
	refused("no manifest", entry(func(e *checkpoint.Entry) { e.Files = nil }))
	refused("unknown file", entry(func(e *checkpoint.Entry) { e.Files = append(e.Files, 99) }))
	refused("manifest outside", entry(func(e *checkpoint.Entry) { e.Manifest.Length = 1000 }))
	refused("manifest at 0", entry(func(e *checkpoint.Entry) { e.Manifest.Offset = 0 }))
	ended := entry(func(*checkpoint.Entry) {})
	ended.Ended = map[memory.SpaceID]checkpoint.Ended{"": {}}
	refused("ended", ended)
	if s.Latest() != nil {
		t.Fatal("a refused catalog is in force")
	}
	got := must[*checkpoint.Catalog](t)(s.Commit(good))
	// What the caller does with its catalog afterwards is its own affair.
	good.Spaces[0].Space, good.Spaces[0].Files[0] = "other", 99
	if got.Spaces[0].Space != "tests" || got.Spaces[0].Files[0] != w.ID() {
		t.Fatal("the catalog in force can be changed from outside")
	}
	check(t, s.Close())
}

func TestClosed(t *testing.T) {
	disk := vfs.NewMem(1)
	s := open(t, disk)
	if _, err := checkpoint.Open(checkpoint.Options{FS: disk, Dir: dir}); !errors.Is(err, vfs.ErrLocked) {
		t.Fatalf("a second store: %v", err)
	}
	c, _ := one(t, s, 1, []byte("manifest"))
	f := must[*checkpoint.File](t)(s.File(c.Spaces[0].Files[0]))
	late := must[*checkpoint.Writer](t)(s.Create(nil))
	release := s.Hold(c)
	check(t, s.Close())
	release()
	for name, err := range map[string]error{
		"Close":  s.Close(),
		"Finish": late.Finish(),
		"Create": func() error { _, err := s.Create(nil); return err }(),
		"Commit": func() error { _, err := s.Commit(*c); return err }(),
		"File":   func() error { _, err := s.File(1); return err }(),
		"Reader": func() error { _, _, err := s.Reader(1); return err }(),
	} {
		if !errors.Is(err, checkpoint.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	if got := must[[]byte](t)(f.Section(c.Spaces[0].Manifest)); string(got) != "manifest" {
		t.Fatalf("a file does not outlive its store: %q", got)
	}
	// What the late writer left goes with the next Open.
	s = open(t, disk)
	if names := must[[]string](t)(disk.List(dir)); len(names) != 2 {
		t.Fatalf("left: %v", names)
	}
	check(t, s.Close())
}

func TestWriterErrors(t *testing.T) {
	bad := errors.New("no more to say")
	s := open(t, vfs.NewMem(1))
	w := must[*checkpoint.Writer](t)(s.Create(nil))
	// A section that fails leaves the others alone.
	if _, err := w.Section(func(to io.Writer) error {
		if _, err := w.Append(nil); err == nil {
			return errors.New("a section within a section")
		}
		if err := w.Finish(); err == nil {
			return errors.New("finished within a section")
		}
		_, _ = fmt.Fprint(to, "half of")
		return bad
	}); !errors.Is(err, bad) {
		t.Fatal(err)
	}
	r := must[checkpoint.Ref](t)(w.Append([]byte("whole")))
	check(t, w.Finish())
	f := must[*checkpoint.File](t)(s.File(w.ID()))
	if got := must[[]byte](t)(f.Section(r)); string(got) != "whole" || w.Size() == 0 {
		t.Fatalf("the section is %q", got)
	}
	if _, err := w.Append(nil); err == nil {
		t.Fatal("wrote to a finished file")
	}
	if err := w.Finish(); err == nil {
		t.Fatal("finished twice")
	}
	check(t, w.Abort())
	check(t, w.Abort())
	if _, err := s.Commit(checkpoint.Catalog{Spaces: []checkpoint.Entry{{Space: "tests", Manifest: r, Files: []checkpoint.FileID{w.ID()}}}}); err == nil {
		t.Fatal("a file that was aborted is in a catalog")
	}
	check(t, s.Close())
}

// TestAbortAfterCommit must not take away what is in force.
func TestAbortAfterCommit(t *testing.T) {
	s := open(t, vfs.NewMem(1))
	w := must[*checkpoint.Writer](t)(s.Create(nil))
	r := must[checkpoint.Ref](t)(w.Append([]byte("manifest")))
	check(t, w.Finish())
	c := must[*checkpoint.Catalog](t)(s.Commit(checkpoint.Catalog{Spaces: []checkpoint.Entry{{Space: "tests", Manifest: r, Files: []checkpoint.FileID{w.ID()}}}}))
	check(t, w.Abort())
	if got := section(t, s, c.Spaces[0].Manifest); string(got) != "manifest" {
		t.Fatalf("the section is %q", got)
	}
	check(t, s.Close())
}

func TestPace(t *testing.T) {
	s := open(t, vfs.NewMem(1))
	var sum, calls int
	w := must[*checkpoint.Writer](t)(s.Create(func(n int) { sum, calls = sum+n, calls+1 }))
	must[checkpoint.Ref](t)(w.Append(make([]byte, 3*checkpoint.BlockSize)))
	check(t, w.Finish())
	c := must[*checkpoint.Catalog](t)(s.Commit(checkpoint.Catalog{Spaces: []checkpoint.Entry{{
		Space: "tests", Manifest: checkpoint.Ref{File: w.ID(), Offset: 64, Length: 1}, Files: []checkpoint.FileID{w.ID()},
	}}}))
	// Three blocks in quarters, the rest, the footer.
	if size := c.Sizes[w.ID()]; uint64(sum) != size || calls != 14 {
		t.Fatalf("paced %d bytes of %d in %d calls", sum, size, calls)
	}
	sum, calls = 0, 0
	s.Scrub(t.Context(), func(n int) { sum, calls = sum+n, calls+1 })
	if uint64(sum) != 3*checkpoint.BlockSize+64 || calls != 4 {
		t.Fatalf("paced %d bytes of a scrub in %d calls", sum, calls)
	}
	check(t, s.Close())
}
