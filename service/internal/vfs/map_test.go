package vfs_test

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"syscall"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/vfs"
)

// mapped makes a file with this content on every implementation and runs do
// on it.
func mapped(t *testing.T, content []byte, do func(t *testing.T, fsys vfs.FS, name string)) {
	for kind, fsys := range map[string]vfs.FS{
		"os": vfs.OS(), "mem": vfs.NewMem(1), "inject": vfs.NewInject(vfs.OS(), nil),
	} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			check(t, fsys.MkdirAll(dir))
			name := path.Join(dir, "f")
			f := must[vfs.File](t)(fsys.Create(name))
			must[int](t)(f.WriteAt(content, 0))
			check(t, f.Close())
			do(t, fsys, name)
		})
	}
}

func pattern(size int) []byte {
	b := make([]byte, size)
	for n := range b {
		b[n] = byte(n * 31 >> 3)
	}
	return b
}

func TestMapRanges(t *testing.T) {
	const size = 20000 // some pages and a bit
	content := pattern(size)
	mapped(t, content, func(t *testing.T, fsys vfs.FS, name string) {
		rapid.Check(t, func(t *rapid.T) {
			offset := rapid.Int64Range(0, size).Draw(t, "offset")
			length := rapid.Int64Range(0, size-offset).Draw(t, "length")
			m, err := fsys.Map(name, offset, length, rapid.Bool().Draw(t, "private"))
			if err != nil {
				t.Fatal(err)
			}
			b := m.Bytes()
			if !bytes.Equal(b, content[offset:offset+length]) {
				t.Fatal("the mapping is not the range")
			}
			if length > 0 && uintptr(unsafe.Pointer(&b[0]))%64 != uintptr(offset)%64 {
				t.Fatalf("offset %d is at address %p", offset, &b[0])
			}
			if cap(b) != len(b) {
				t.Fatalf("%d bytes have room for %d", len(b), cap(b))
			}
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
		})
	})
}

func TestMapRefuses(t *testing.T) {
	const huge = 1 << 62
	mapped(t, pattern(100), func(t *testing.T, fsys vfs.FS, name string) {
		for _, r := range [][2]int64{{-1, 1}, {0, -1}, {0, 101}, {100, 1}, {101, 0}, {huge, huge}, {1, huge}} {
			if _, err := fsys.Map(name, r[0], r[1], false); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("map %d bytes from %d of 100: %v", r[1], r[0], err)
			}
		}
		if _, err := fsys.Map(name+"x", 0, 1, false); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("map of nothing: %v", err)
		}
	})
}

// TestMapPrivate writes to private mappings of one range and wants each of
// them, a shared one and the file to go their own ways.
func TestMapPrivate(t *testing.T) {
	content := pattern(10000)
	mapped(t, content, func(t *testing.T, fsys vfs.FS, name string) {
		shared := must[vfs.Mapping](t)(fsys.Map(name, 64, 9000, false))
		one := must[vfs.Mapping](t)(fsys.Map(name, 64, 9000, true))
		two := must[vfs.Mapping](t)(fsys.Map(name, 64, 9000, true))
		for n := range one.Bytes() {
			one.Bytes()[n] ^= 0xff
			if n%2 == 0 {
				two.Bytes()[n] = 0
			}
		}
		for n, want := range content[64:9064] {
			other := want
			if n%2 == 0 {
				other = 0
			}
			if shared.Bytes()[n] != want || one.Bytes()[n] != ^want || two.Bytes()[n] != other {
				t.Fatalf("byte %d: a write shows elsewhere", n)
			}
		}
		// All outlive the name.
		check(t, fsys.Remove(name))
		if shared.Bytes()[0] != content[64] || one.Bytes()[8999] != ^content[9063] {
			t.Fatal("the mapping went with the name")
		}
		for _, m := range []vfs.Mapping{shared, one, two} {
			check(t, m.Close())
			if err := m.Close(); !errors.Is(err, fs.ErrClosed) {
				t.Fatalf("second Close: %v", err)
			}
		}
	})
}

func TestMapPrivateLeavesTheFile(t *testing.T) {
	before := pattern(5000)
	mapped(t, before, func(t *testing.T, fsys vfs.FS, name string) {
		m := must[vfs.Mapping](t)(fsys.Map(name, 0, 5000, true))
		clear(m.Bytes())
		check(t, m.Close())
		f := must[vfs.File](t)(fsys.OpenRead(name))
		if got := content(t, f); !bytes.Equal(got, before) {
			t.Fatal("the file was written to")
		}
		check(t, f.Close())
	})
}

func TestMapInject(t *testing.T) {
	gone := errors.New("gone")
	fsys := vfs.NewInject(vfs.NewMem(1), vfs.FailNth(vfs.OpMap, 2, gone))
	must[vfs.File](t)(fsys.Create("f"))
	must[vfs.Mapping](t)(fsys.Map("f", 0, 0, false))
	if _, err := fsys.Map("f", 0, 0, false); !errors.Is(err, gone) || fsys.Count(vfs.OpMap) != 2 {
		t.Fatalf("second map: %v, %d counted", err, fsys.Count(vfs.OpMap))
	}
}
