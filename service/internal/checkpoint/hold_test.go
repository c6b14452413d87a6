package checkpoint_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"sync"
	"testing"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/vfs"
)

func there(t *testing.T, disk vfs.FS, id checkpoint.FileID) bool {
	t.Helper()
	_, err := disk.Stat(dataFile(id))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func TestHold(t *testing.T) {
	disk := vfs.NewMem(1)
	s := open(t, disk)
	if c, release := s.HoldLatest(); c != nil {
		t.Fatalf("%+v is in force", c)
	} else {
		release()
	}
	first, refs := one(t, s, 1, []byte("the first"))
	id := refs[0].File
	latest, releaseOne := s.HoldLatest()
	if latest != first {
		t.Fatal("another catalog is held")
	}
	releaseTwo := s.Hold(first)
	for n := uint64(2); n < 6; n++ {
		one(t, s, n, fmt.Appendf(nil, "number %d", n))
	}
	// A file that is finished and in no catalog yet survives a release.
	w := must[*checkpoint.Writer](t)(s.Create(nil))
	fresh := must[checkpoint.Ref](t)(w.Append([]byte("fresh")))
	check(t, w.Finish())
	if got := section(t, s, refs[0]); string(got) != "the first" {
		t.Fatalf("the held section is %q", got)
	}
	r, _, err := s.Reader(id)
	check(t, err)
	releaseOne()
	releaseOne() // counts once
	if !there(t, disk, id) {
		t.Fatal("the file went although it is held")
	}
	releaseTwo()
	if there(t, disk, id) {
		t.Fatal("the file stayed although nobody holds it")
	}
	if b, err := io.ReadAll(r); err != nil || len(b) == 0 { // it was opened before
		t.Fatalf("read %d bytes: %v", len(b), err)
	}
	check(t, r.Close())
	if got := section(t, s, fresh); string(got) != "fresh" {
		t.Fatalf("the fresh section is %q", got)
	}
	if _, err := s.File(id); err == nil {
		t.Fatal("a removed file is served")
	}
	// The next Commit does not name it: it goes.
	one(t, s, 6, []byte("number 6"))
	if there(t, disk, fresh.File) {
		t.Fatal("a file that no catalog names stayed")
	}
	check(t, s.Close())
}

// TestPrivate wants the writes of two private mappings to be seen by nobody
// else, on the machine's file system and in memory.
func TestPrivate(t *testing.T) {
	for name, fsys := range map[string]vfs.FS{"os": vfs.OS(), "mem": vfs.NewMem(1)} {
		t.Run(name, func(t *testing.T) {
			s := must[*checkpoint.Store](t)(checkpoint.Open(checkpoint.Options{FS: fsys, Dir: t.TempDir()}))
			content := make([]byte, 3<<20+7)
			for n := range content {
				content[n] = byte(n >> 8)
			}
			_, refs := one(t, s, 1, []byte("x"), content, nil, []byte("manifest"))
			f := must[*checkpoint.File](t)(s.File(refs[0].File))
			shared := must[[]byte](t)(f.Section(refs[1]))
			one := must[*checkpoint.Private](t)(f.Private(refs[1]))
			two := must[*checkpoint.Private](t)(f.Private(refs[1]))
			for n := range content {
				one.Bytes()[n]++
				two.Bytes()[n]--
			}
			for n, b := range content {
				if shared[n] != b || one.Bytes()[n] != b+1 || two.Bytes()[n] != b-1 {
					t.Fatalf("byte %d: a write shows elsewhere", n)
				}
			}
			runtime.KeepAlive(f)
			if empty := must[*checkpoint.Private](t)(f.Private(refs[2])); len(empty.Bytes()) != 0 {
				t.Fatal("an empty section has bytes")
			}
			if _, found := s.Scrub(t.Context(), nil); len(found) > 0 {
				t.Fatal(found)
			}
			check(t, s.Close())
		})
	}
}

// watched tells when a mapping is closed.
type watched struct {
	vfs.FS
	closed chan string
}

func (w watched) Map(name string, offset, length int64, private bool) (vfs.Mapping, error) {
	m, err := w.FS.Map(name, offset, length, private)
	return &watchedMapping{m, fmt.Sprint(private), w.closed}, err
}

type watchedMapping struct {
	vfs.Mapping
	what   string
	closed chan string
}

func (m *watchedMapping) Close() error {
	m.closed <- m.what
	return m.Mapping.Close()
}

// TestUnmapped wants one mapping for all who ask, and it to go when nobody has
// the file any more.
func TestUnmapped(t *testing.T) {
	fsys := watched{vfs.OS(), make(chan string, 8)}
	s := must[*checkpoint.Store](t)(checkpoint.Open(checkpoint.Options{FS: fsys, Dir: t.TempDir()}))
	_, refs := one(t, s, 1, make([]byte, 100), []byte("manifest"))
	use := func() {
		f := must[*checkpoint.File](t)(s.File(refs[0].File))
		if again := must[*checkpoint.File](t)(s.File(refs[0].File)); again != f {
			t.Fatal("the file is mapped twice")
		}
		p := must[*checkpoint.Private](t)(f.Private(refs[0]))
		runtime.GC()
		runtime.GC()
		select {
		case what := <-fsys.closed:
			t.Errorf("unmapped while in use (private: %s)", what)
		default:
		}
		p.Bytes()[0] = 1
		if b := must[[]byte](t)(f.Section(refs[0])); b[0] != 0 {
			t.Error("the section has changed")
		}
		runtime.KeepAlive(f)
		runtime.KeepAlive(p)
	}
	for range 2 { // mapped anew after it went
		use()
		gone := map[string]bool{}
		for len(gone) < 2 {
			runtime.GC()
			select {
			case what := <-fsys.closed:
				gone[what] = true
			case <-t.Context().Done():
				t.Fatal("still mapped")
			default:
				runtime.Gosched()
			}
		}
	}
	check(t, s.Close())
}

// TestTogether has readers, a backup and a scrub beside a writer that commits.
func TestTogether(t *testing.T) {
	t.Run("mem", func(t *testing.T) { together(t, vfs.NewMem(1), dir, 2) })
	t.Run("os", func(t *testing.T) { together(t, vfs.OS(), t.TempDir(), 3) })
}

// together leaves so many names beside the two data files.
func together(t *testing.T, fsys vfs.FS, where string, names int) {
	s := must[*checkpoint.Store](t)(checkpoint.Open(checkpoint.Options{FS: fsys, Dir: where}))
	one(t, s, 1, make([]byte, 2*checkpoint.BlockSize), []byte("manifest"))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	beside := func(do func() error) {
		wg.Go(func() {
			for {
				if err := do(); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for range 3 {
		n := 0
		beside(func() error { // a reader
			c, release := s.HoldLatest()
			defer release()
			b, err := read(s, c.Spaces[0].Manifest)
			if err == nil && string(b) != "manifest" {
				err = fmt.Errorf("the manifest is %q", b)
			}
			if err != nil {
				return err
			}
			f, err := s.File(c.Spaces[0].Files[0])
			if err != nil {
				return err
			}
			p, err := f.Private(checkpoint.Ref{File: f.ID(), Offset: 64, Length: 2 * checkpoint.BlockSize})
			if err == nil {
				p.Bytes()[7] = 1
				runtime.KeepAlive(p) // another reader's collection unmaps what nobody has
			}
			if n%16 == 0 {
				runtime.GC() // unmaps what the others left
			}
			n++
			return err
		})
	}
	beside(func() error { // a backup
		c, release := s.HoldLatest()
		defer release()
		r, size, err := s.Reader(c.Spaces[0].Files[0])
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, r)
		if err == nil && n != size {
			err = fmt.Errorf("%d bytes of %d", n, size)
		}
		return errors.Join(err, r.Close())
	})
	beside(func() error {
		_, found := s.Scrub(t.Context(), nil)
		return errors.Join(found...)
	})
	beside(func() error { // a writer whose files come to nothing
		w, err := s.Create(nil)
		if err != nil {
			return err
		}
		if _, err := w.Append([]byte("nothing")); err != nil {
			return err
		}
		if err := w.Finish(); err != nil {
			return err
		}
		return w.Abort()
	})
	for n := uint64(2); n < 40; n++ {
		one(t, s, n, make([]byte, 2*checkpoint.BlockSize), []byte("manifest"))
	}
	close(stop)
	wg.Wait()
	if t.Failed() {
		return
	}
	one(t, s, 40, []byte("manifest"))
	one(t, s, 41, []byte("manifest"))
	if left := must[[]string](t)(fsys.List(where)); len(left) != names+2 {
		t.Fatalf("left: %v", left)
	}
	check(t, s.Close())
}
