package journal_test

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"

	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/journal/journaltest"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// TestCrashAroundSeal seals after a few frames each time, at times behind
// frames that are still waiting, trims all of it now and then, and cuts the
// power before every call that changes the disk.
func TestCrashAroundSeal(t *testing.T) {
	const total, each = 40, 3
	seeds := 3
	if testing.Short() {
		seeds = 1
	}
	for seed := range uint64(seeds) {
		disk := vfs.NewMem(seed)
		l := &ledger{}
		j, err := journal.Open(small(l.watch(disk, total, each), "log"))
		if err != nil {
			t.Fatal(err)
		}
		var positions []journal.Position
		for n := 0; n < total; {
			var wg sync.WaitGroup
			for range min(1+n%5, total-n) {
				wg.Add(1)
				if err := j.AppendAsync(workload[n], func(pos journal.Position, err error) {
					defer wg.Done()
					l.mu.Lock()
					defer l.mu.Unlock()
					if err != nil {
						t.Error(err)
					}
					l.acked++
					positions = append(positions, pos)
				}); err != nil {
					t.Fatal(err)
				}
				n++
			}
			if err := j.Seal(context.Background()); err != nil {
				t.Fatal(err)
			}
			wg.Wait() // nobody waits any more: they were before the seal
			if n%3 == 0 {
				before := j.DurableEnd()
				l.mu.Lock()
				l.trimmed = before
				l.mu.Unlock()
				if err := j.Trim(before); err != nil {
					t.Fatal(err)
				}
				if got, err := journaltest.ReadAll(j, 0); err != nil || len(got) != 0 {
					t.Fatalf("%d frames behind a seal and a trim of everything, %v", len(got), err)
				}
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		l.cuts = append(l.cuts, cut{disk: disk.Crash(), acked: total, appended: total, trimmed: l.trimmed})
		t.Logf("seed %d: %d cuts", seed, len(l.cuts))
		for i, c := range l.cuts {
			afterCrash(t, c, positions)
			if t.Failed() {
				t.Fatalf("seed %d, cut %d before %+v, %d acked", seed, i, c.at, c.acked)
			}
		}
	}
}

// TestSealWithoutRoom seals while there is no room for the next segment: that
// is said, changes nothing, and works once there is room.
func TestSealWithoutRoom(t *testing.T) {
	disk := vfs.NewMem(1)
	disk.SetCapacity(4 << 10) // one segment
	j := mustOpen(t, small(disk, "log"))
	want := []journaltest.Placed{mustAppend(t, j, 0, 100)}
	end := j.DurableEnd()
	if err := j.Seal(context.Background()); !errors.Is(err, journal.ErrFull) {
		t.Fatalf("seal on a full disk: %v", err)
	}
	if got := j.DurableEnd(); got != end {
		t.Fatalf("the end moved from %d to %d", end, got)
	}
	want = append(want, mustAppend(t, j, 1, 100)) // the old one still has room
	disk.SetCapacity(0)
	if err := j.Seal(context.Background()); err != nil {
		t.Fatal(err)
	}
	got, err := journaltest.ReadAll(j, 0)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d frames of %d, %v", len(got), len(want), err)
	}
}

// TestSealFails fails the sync of a seal: the journal has ended.
func TestSealFails(t *testing.T) {
	inject := vfs.NewInject(vfs.NewMem(1), nil)
	j := mustOpen(t, small(inject, "log"))
	mustAppend(t, j, 0, 100)
	waitSpare(j)
	inject.SetHook(vfs.FailNth(vfs.OpSync, 0, syscall.EIO))
	var failed *journal.FailedError
	if err := j.Seal(context.Background()); !errors.As(err, &failed) || !errors.Is(err, syscall.EIO) {
		t.Fatalf("seal: %v", err)
	}
	inject.SetHook(nil)
	if err := j.Seal(context.Background()); !errors.As(err, &failed) {
		t.Fatalf("seal of a journal that has failed: %v", err)
	}
}

// TestFullDiskAtASealEnds is about a segment that lost its reserved room, on a
// full disk, while the next one is there: a frame that needs the next one is
// refused, for the seal has no room.
func TestFullDiskAtASealEnds(t *testing.T) {
	disk := vfs.NewMem(1)
	inject := vfs.NewInject(disk, nil)
	j := mustOpen(t, small(inject, "log"))
	mustAppend(t, j, 0, 100)
	waitSpare(j)
	inject.SetHook(func(c vfs.Call) error {
		if c.Op == vfs.OpWrite || c.Op == vfs.OpPreallocate {
			return syscall.ENOSPC
		}
		return nil
	})
	for n, size := range []int{100, 3800, 3800} { // the first one is cut off again, and the room with it
		if _, err := j.Append(context.Background(), journaltest.NewFrame(n, size)); !errors.Is(err, journal.ErrFull) {
			t.Fatalf("append %d to a full disk: %v", n, err)
		}
	}
	inject.SetHook(nil)
	mustAppend(t, j, 3, 3800)
	if got, err := journaltest.ReadAll(j, 0); err != nil || len(got) != 2 {
		t.Fatalf("%d frames, %v", len(got), err)
	}
}
