package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// checkpointed is a world with two checkpoints and a tail.
func checkpointed(t *testing.T, seed uint64) *world {
	t.Helper()
	w, err := newWorld(t.Context(), vfs.NewMem(seed), time.Unix(1_700_000_000, 0), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := newAuthor(w)
	zero := 0
	round := func() error {
		return steps(
			func() error { return w.send("s1", a.mixed("s1", 14)) },
			func() error { return w.settle("s1") },
			func() error { return w.send("s2", a.mixed("s2", 14)) },
			func() error { return w.settle("s2") },
			func() error { return w.forget("graph", wish{tag: "red"}) },
			func() error { return w.read("graph") },
			func() error { return w.read("other") },
		)
	}
	if err := steps(
		func() error { return w.create(NewSpace{ID: "graph", IndexThreshold: &zero}) },
		func() error { return w.dial("s1", "graph") },
		func() error { return w.dial("s2", "other") },
		round, round,
		func() error { return w.checkpoint(CheckpointWish{}) },
		round,
		func() error { return w.call("unary", "third", a.mixed("unary", 10), false) },
		func() error { return w.checkpoint(CheckpointWish{}) },
		round,
	); err != nil {
		t.Fatal(err)
	}
	return w
}

// failing makes one call of a kind fail that is for a checkpoint, and counts
// them.
type failing struct {
	op    vfs.Op
	nth   int64 // 0: none
	err   error
	calls atomic.Int64
}

func (f *failing) hook(c vfs.Call) error {
	if c.Op != f.op || !strings.HasPrefix(c.Name, "data.checkpoints") {
		return nil
	}
	if f.calls.Add(1) == f.nth {
		return f.err
	}
	return nil
}

// orphans are the files beside the checkpoints that no kept catalog names.
func (w *world) orphans() ([]string, error) {
	names, err := w.disk.List("data.checkpoints")
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, c := range []*checkpoint.Catalog{w.e.store.Latest(), w.e.store.Previous()} {
		if c == nil {
			continue
		}
		wanted[fmt.Sprintf("catalog-%016x", c.Number)] = true
		for _, id := range c.Files() {
			wanted[fmt.Sprintf("%016x.ckpt", uint64(id))] = true
		}
	}
	return slices.DeleteFunc(names, func(n string) bool { return wanted[n] || strings.Contains(n, "lock") }), nil
}

// TestFailingRounds lets every call of a round fail that changes the disk, or
// maps what was written: nothing is lost, the former checkpoint stays in force,
// nothing is left behind, and the next round succeeds.
func TestFailingRounds(t *testing.T) {
	failEverywhere(t, checkpointed, vfs.OpCreate, vfs.OpWrite, vfs.OpSync, vfs.OpRename, vfs.OpSyncDir, vfs.OpRemove)
}

// TestFailingReadBacks does the same where a round reads back the full chunks
// of rows that it wrote.
func TestFailingReadBacks(t *testing.T) {
	ops := []vfs.Op{vfs.OpMap}
	if soak {
		ops = append(ops, vfs.OpOpen, vfs.OpRead)
	}
	failEverywhere(t, chunked, ops...)
}

// chunked is a world with full chunks in checkpoints, of which the next one
// writes one anew.
func chunked(t *testing.T, seed uint64) *world {
	t.Helper()
	w, err := newWorld(t.Context(), vfs.NewMem(seed), time.Unix(1_700_000_000, 0), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := steps(
		func() error { return bigSpace(w, 2) },
		func() error { return w.checkpoint(CheckpointWish{}) },
		func() error { return w.checkpoint(CheckpointWish{}) },
		func() error { return w.forget("big", wish{tag: "red"}) },
		func() error { return w.call("after", "graph", newAuthor(w).mixed("after", 5), false) },
	); err != nil {
		t.Fatal(err)
	}
	return w
}

func failEverywhere(t *testing.T, before func(*testing.T, uint64) *world, ops ...vfs.Op) {
	t.Helper()
	for _, op := range ops {
		for _, erase := range []bool{true, false}[:pick(2, 1, 2)] {
			w := before(t, 1)
			count := &failing{op: op}
			w.fs.SetHook(count.hook)
			if err := w.checkpoint(CheckpointWish{Erase: erase}); err != nil {
				t.Fatal(err)
			}
			if err := w.stop(false); err != nil {
				t.Fatal(err)
			}
			t.Logf("%s: %d calls (erase: %v)", op, count.calls.Load(), erase)
			for nth := int64(1); nth <= count.calls.Load(); nth++ {
				for i, cause := range []error{syscall.ENOSPC, syscall.EIO} {
					if !soak && int(nth)%2 != i || testing.Short() && nth != count.calls.Load() {
						continue
					}
					if err := failOnce(before(t, 1), &failing{op: op, nth: nth, err: cause}, erase); err != nil {
						t.Errorf("%s number %d fails with %v (erase: %v): %v", op, nth, cause, erase, err)
					}
				}
			}
		}
	}
}

func failOnce(w *world, f *failing, erase bool) (err error) {
	before := w.e.store.Latest().Number
	running := true
	defer func() {
		if running {
			err = errors.Join(err, w.stop(false))
		}
	}()
	var failed error
	for range 3 {
		f.calls.Store(0)
		w.fs.SetHook(f.hook)
		failed = w.checkpoint(CheckpointWish{Erase: erase})
		w.fs.SetHook(nil)
		now, why := w.e.store.Latest().Number, w.e.Status().Checkpoint.Failure
		if failed == nil {
			break // it was not needed for the round
		}
		left, err := w.orphans()
		switch {
		case err != nil:
			return err
		case why == "":
			return fmt.Errorf("the status does not tell of %w", failed)
		case !errors.Is(failed, f.err):
			return fmt.Errorf("the round fails with %w", failed)
		case now != before && f.op != vfs.OpOpen && f.op != vfs.OpMap && f.op != vfs.OpRead && !erase:
			return fmt.Errorf("catalog %d is in force after %d and %w", now, before, failed)
		case len(left) > 0 && !over(failed):
			err = fmt.Errorf("%q are left behind", left)
		}
		if err != nil {
			return err
		}
		if err := w.recheck(); err != nil {
			return fmt.Errorf("after the failure: %w", err)
		}
	}
	for i, disk := range []*vfs.Mem{w.disk.Synced(), w.disk.Crash()} {
		l := w.l
		l.mu.Lock()
		site := &crashSite{n: i, how: "after a failed round", disk: disk, notes: l.notes[:len(l.notes):len(l.notes)], now: w.clock.Now()}
		l.mu.Unlock()
		if err := site.after(w.ctx); err != nil {
			return err
		}
	}
	if over(failed) || over(w.checkpoint(CheckpointWish{})) {
		// What a directory's failed sync left is unknown until a restart.
		running = false
		if err := w.stop(false); err != nil {
			return err
		}
		if err := w.start(); err != nil {
			return err
		}
		running = true
		if err := steps(w.recheck, w.resume); err != nil {
			return err
		}
	}
	a := newAuthor(w)
	if err := steps(
		func() error { return w.call("late", "graph", a.mixed("late", 5), false) },
		func() error { return w.checkpoint(CheckpointWish{}) },
		w.recheck,
	); err != nil {
		return fmt.Errorf("the next round: %w", err)
	}
	if left, err := w.orphans(); err != nil || len(left) > 0 {
		return fmt.Errorf("%q are left behind after the next round (%w)", left, err)
	}
	w.clock.Advance(time.Hour)
	w.hibernate()
	return w.recheck()
}

// over reports whether a failure ended the checkpoints until a restart.
func over(err error) bool {
	var f *checkpoint.FailedError
	return errors.As(err, &f)
}
