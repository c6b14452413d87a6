package vfs_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/engram-stream/engram/service/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, f vfs.File) []byte {
	t.Helper()
	b := make([]byte, must[int64](t)(f.Size()))
	if n, err := f.ReadAt(b, 0); n != len(b) {
		t.Fatalf("read %d of %d bytes: %v", n, len(b), err)
	}
	return b
}

// TestFS holds every implementation to the same contract.
func TestFS(t *testing.T) {
	for name, make := range map[string]func(t *testing.T) (vfs.FS, string){
		"os":     func(t *testing.T) (vfs.FS, string) { return vfs.OS(), t.TempDir() },
		"mem":    func(*testing.T) (vfs.FS, string) { return vfs.NewMem(1), "/data" },
		"inject": func(*testing.T) (vfs.FS, string) { return vfs.NewInject(vfs.NewMem(1), nil), "data" },
	} {
		t.Run(name, func(t *testing.T) {
			fsys, root := make(t)
			testFS(t, fsys, root)
		})
	}
}

func testFS(t *testing.T, fsys vfs.FS, root string) {
	dir := path.Join(root, "a/b")
	check(t, fsys.MkdirAll(dir))
	check(t, fsys.MkdirAll(dir))
	a, b := path.Join(dir, "one"), path.Join(dir, "two")
	if _, err := fsys.OpenRead(a); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("OpenRead of nothing: %v", err)
	}
	f := must[vfs.File](t)(fsys.Create(a))
	must[int](t)(f.WriteAt([]byte("hello"), 3))
	check(t, f.Preallocate(12))
	check(t, f.Preallocate(4)) // never shrinks
	check(t, f.Sync())
	if got, want := content(t, f), []byte("\x00\x00\x00hello\x00\x00\x00\x00"); !bytes.Equal(got, want) {
		t.Fatalf("content %q, want %q", got, want)
	}
	check(t, f.Truncate(5))
	check(t, f.Truncate(7)) // what was cut off must not come back
	if got, want := content(t, f), []byte("\x00\x00\x00he\x00\x00"); !bytes.Equal(got, want) {
		t.Fatalf("content %q, want %q", got, want)
	}
	if n, err := f.ReadAt(make([]byte, 4), 5); n != 2 || !errors.Is(err, io.EOF) {
		t.Fatalf("read across the end: %d, %v", n, err)
	}
	check(t, fsys.Rename(a, b))
	check(t, fsys.SyncDir(dir))
	if names := must[[]string](t)(fsys.List(dir)); !slices.Equal(names, []string{"two"}) {
		t.Fatalf("names %v", names)
	}
	if names := must[[]string](t)(fsys.List(root)); !slices.Equal(names, []string{"a"}) {
		t.Fatalf("names %v", names)
	}
	if size := must[int64](t)(fsys.Stat(b)); size != 7 {
		t.Fatalf("size %d", size)
	}
	r := must[vfs.File](t)(fsys.OpenRead(b))
	if _, err := r.WriteAt([]byte("x"), 0); err == nil {
		t.Fatal("wrote to a handle for reading")
	}
	check(t, fsys.Remove(b))
	if got := content(t, r); len(got) != 7 {
		t.Fatal("an open handle did not outlive the name")
	}
	check(t, r.Close())
	check(t, f.Close())
	if err := f.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Fatalf("second Close: %v", err)
	}
	if sp := must[vfs.Space](t)(fsys.Space(dir)); sp.Free == 0 || sp.Free > sp.Total {
		t.Fatalf("space %+v", sp)
	}
	lock := must[io.Closer](t)(fsys.Lock(path.Join(dir, "LOCK")))
	if _, err := fsys.Lock(path.Join(dir, "LOCK")); !errors.Is(err, vfs.ErrLocked) {
		t.Fatalf("second Lock: %v", err)
	}
	check(t, lock.Close())
	check(t, must[io.Closer](t)(fsys.Lock(path.Join(dir, "LOCK"))).Close())
}

func TestInject(t *testing.T) {
	gone := errors.New("gone")
	fsys := vfs.NewInject(vfs.NewMem(1), vfs.FailNth(vfs.OpWrite, 2, gone))
	f := must[vfs.File](t)(fsys.Create("f"))
	must[int](t)(f.WriteAt([]byte("aaaa"), 0))
	if n, err := f.WriteAt([]byte("bbbb"), 0); n != 2 || !errors.Is(err, gone) {
		t.Fatalf("second write: %d, %v", n, err)
	}
	if got := content(t, f); string(got) != "bbaa" {
		t.Fatalf("content %q, want half of the write", got)
	}
	fsys.SetHook(vfs.FailNth(vfs.OpSync, 0, gone))
	for range 2 {
		if err := f.Sync(); !errors.Is(err, gone) {
			t.Fatalf("sync: %v", err)
		}
	}
	if fsys.Count(vfs.OpSync) != 2 || fsys.Count(vfs.OpWrite) != 2 {
		t.Fatal("calls were miscounted")
	}
}
