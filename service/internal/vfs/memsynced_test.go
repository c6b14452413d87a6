package vfs_test

import (
	"testing"

	"github.com/engram-stream/engram/service/internal/vfs"
)

func TestSyncedKeepsWhatWasSyncedAndNothingElse(t *testing.T) {
	m := vfs.NewMem(1)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := m.Create("a")
	must(err)
	_, err = f.WriteAt([]byte("one"), 0)
	must(err)
	must(f.Sync())
	must(m.SyncDir("."))
	_, err = f.WriteAt([]byte("two!"), 0)
	must(err)
	_, err = m.Create("b")
	must(err)
	must(m.Rename("a", "c"))

	left := m.Synced()
	if names, err := left.List("."); err != nil || len(names) != 1 || names[0] != "a" {
		t.Fatalf("%v, %v", names, err)
	}
	g, err := left.OpenRead("a")
	must(err)
	b := make([]byte, 3)
	_, err = g.ReadAt(b, 0)
	must(err)
	if size, err := g.Size(); err != nil || size != 3 || string(b) != "one" {
		t.Fatalf("%q of %d bytes, %v", b, size, err)
	}
	// The original goes on, and shares nothing with what was left.
	must(f.Sync())
	must(m.SyncDir("."))
	if names, err := m.Synced().List("."); err != nil || len(names) != 2 {
		t.Fatalf("%v, %v", names, err)
	}
	if _, err := g.ReadAt(b, 0); err != nil || string(b) != "one" {
		t.Fatalf("%q, %v", b, err)
	}
}
