package space

import (
	"errors"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// disk is where a world keeps its checkpoints.
type disk struct {
	fs    *vfs.Mem
	store *checkpoint.Store
	// frames is how many of the world's are in the checkpoint.
	frames int
}

// failer is a *testing.T or a *rapid.T.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func newDisk(t failer) *disk {
	t.Helper()
	d := &disk{fs: vfs.NewMem(1)}
	d.open(t)
	return d
}

func (d *disk) open(t failer) {
	t.Helper()
	store, err := checkpoint.Open(checkpoint.Options{FS: d.fs, Dir: "checkpoints"})
	if err != nil {
		t.Fatal(err)
	}
	d.store = store
}

// oneFile gives every section a place in files of one checkpoint.
type oneFile struct {
	store       *checkpoint.Store
	giveWay     func() // nil does nothing
	small, rows *checkpoint.Writer
	large       []*checkpoint.Writer
}

func (f *oneFile) get(w **checkpoint.Writer) (_ *checkpoint.Writer, err error) {
	if *w == nil {
		*w, err = f.store.Create(nil)
	}
	return *w, err
}

func (f *oneFile) Small() (*checkpoint.Writer, error) { return f.get(&f.small) }
func (f *oneFile) Rows() (*checkpoint.Writer, error)  { return f.get(&f.rows) }
func (f *oneFile) Large() (*checkpoint.Writer, error) {
	w, err := f.store.Create(nil)
	f.large = append(f.large, w)
	return w, err
}

func (f *oneFile) GiveWay() {
	if f.giveWay != nil {
		f.giveWay()
	}
}

func (f *oneFile) finish() (err error) {
	for _, w := range append(f.large, f.small, f.rows) {
		if w != nil {
			err = errors.Join(err, w.Finish())
		}
	}
	return err
}

// checkpoint writes the world and puts it in force.
func (w *world) checkpoint(t failer, d *disk) checkpoint.Entry {
	t.Helper()
	if err := w.Wake(); err != nil {
		t.Fatal(err)
	}
	c := w.Capture(uint64(len(w.frames)), false)
	if c == nil {
		t.Fatal("no capture")
	}
	files := &oneFile{store: d.store}
	e, err := c.Write(files)
	if err != nil {
		t.Fatal(err)
	}
	if err := files.finish(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.store.Commit(checkpoint.Catalog{Spaces: []checkpoint.Entry{e}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Install(d.store, e); err != nil {
		t.Fatal(err)
	}
	d.frames = len(w.frames)
	return e
}

// restored is the world as a start finds it: from its checkpoint, and the
// frames after that.
func (w *world) restored(t failer, d *disk) *world {
	t.Helper()
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	d.open(t)
	s, through, err := Restore(d.store, d.store.Latest().Spaces[0], w.clock)
	if err != nil {
		t.Fatal(err)
	}
	if int(through) != d.frames {
		t.Fatalf("the checkpoint goes through frame %d, want %d", through, d.frames)
	}
	again := &world{Space: s, clock: w.clock, frames: w.frames, seq: w.seq}
	for _, f := range w.frames[through:] {
		if err := again.Wake(); err != nil {
			t.Fatal(err)
		}
		if err := again.Replay(f); err != nil {
			t.Fatal(err)
		}
	}
	return again
}
