package vfs_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/vfs"
)

func TestCapacity(t *testing.T) {
	m := vfs.NewMem(1)
	m.SetCapacity(100)
	f := must[vfs.File](t)(m.Create("f"))
	check(t, f.Preallocate(60))
	if _, err := f.WriteAt(make([]byte, 50), 60); !vfs.IsNoSpace(err) {
		t.Fatalf("write over the capacity: %v", err)
	}
	if err := f.Preallocate(101); !vfs.IsNoSpace(err) {
		t.Fatalf("preallocate over the capacity: %v", err)
	}
	must[int](t)(f.WriteAt(make([]byte, 60), 0)) // no growth
	if sp := must[vfs.Space](t)(m.Space(".")); sp != (vfs.Space{Free: 40, Total: 100}) {
		t.Fatalf("space %+v", sp)
	}
}

// TestCrashNames cuts the power at names in all states and wants each fate
// that is possible to come up, and no other.
func TestCrashNames(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(64) {
		m := vfs.NewMem(seed)
		kept := must[vfs.File](t)(m.Create("kept"))
		must[int](t)(kept.WriteAt([]byte("x"), 0))
		check(t, kept.Sync())
		check(t, m.SyncDir("."))
		check(t, m.Rename("kept", "moved"))
		must[vfs.File](t)(m.Create("fresh"))
		after := m.Crash()
		_, errKept := after.Stat("kept")
		_, errMoved := after.Stat("moved")
		_, errFresh := after.Stat("fresh")
		if (errKept == nil) == (errMoved == nil) {
			t.Fatalf("seed %d: a rename was done by half: %v, %v", seed, errKept, errMoved)
		}
		if errMoved == nil {
			seen["moved"] = true
		} else {
			seen["not moved"] = true
		}
		if errFresh == nil {
			seen["made"] = true
		} else {
			seen["not made"] = true
		}
		if _, err := m.Stat("fresh"); err != nil {
			t.Fatal("the original noticed the crash")
		}
	}
	if len(seen) != 4 {
		t.Fatalf("only %v came up", seen)
	}
}

// TestCrashContent checks sector by sector that what is left after a crash is
// either what was synced or what was written since, and that both happen.
func TestCrashContent(t *testing.T) {
	olds, news := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		m := vfs.NewMem(rapid.Uint64().Draw(t, "seed"))
		f, err := m.Create("f")
		if err != nil {
			t.Fatal(err)
		}
		const sectors = 8
		size := sectors * 512
		ok := func(_ int, err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		ok(f.WriteAt(bytes.Repeat([]byte("o"), size), 0))
		ok(0, f.Sync())
		ok(0, m.SyncDir("."))
		ok(f.WriteAt(bytes.Repeat([]byte("n"), size), 0))
		synced := rapid.Bool().Draw(t, "synced")
		if synced {
			ok(0, f.Sync())
		}
		after, err := m.Crash().OpenRead("f")
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, size)
		ok(after.ReadAt(b, 0))
		for i := range sectors {
			s := b[i*512 : (i+1)*512]
			switch {
			case bytes.Equal(s, bytes.Repeat([]byte("n"), 512)):
				news++
			case bytes.Equal(s, bytes.Repeat([]byte("o"), 512)) && !synced:
				olds++
			default:
				t.Fatalf("sector %d, synced %v: %q", i, synced, s)
			}
		}
	})
	if olds == 0 || news == 0 {
		t.Fatalf("%d old and %d new sectors: the crash takes no choice", olds, news)
	}
}

func TestCrashIsReproducible(t *testing.T) {
	run := func() []byte {
		m := vfs.NewMem(42)
		f := must[vfs.File](t)(m.Create("f"))
		check(t, m.SyncDir("."))
		must[int](t)(f.WriteAt(bytes.Repeat([]byte("n"), 64*512), 0))
		return content(t, must[vfs.File](t)(m.Crash().OpenRead("f")))
	}
	if !bytes.Equal(run(), run()) {
		t.Fatal("one seed gave two results")
	}
}
