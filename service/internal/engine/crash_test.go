package engine

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/engram-stream/engram/service/internal/vfs"
)

// soak says that tests may take their time.
var soak = os.Getenv("SOAK") != ""

// pick chooses how much a test does: usually, with -short (where the race
// detector makes everything slow) and with SOAK.
func pick[N int | int64](usual, short, most N) N {
	switch {
	case soak:
		return most
	case testing.Short():
		return short
	}
	return usual
}

// crashSite is a moment at which the power goes: what it leaves of the disk,
// and what clients knew.
type crashSite struct {
	n     int // of the sync point, from 1
	at    vfs.Call
	how   string
	disk  *vfs.Mem
	notes []line
	now   time.Time
}

// crashes cuts the power at the sync points of a run that goes on all the
// same, and hands what is left to those who look at it.
type crashes struct {
	w       *world
	every   int // of how many sync points one is cut at
	torn    int // how often at random, beside the worst case
	offset  int
	synced  atomic.Int64
	quiet   atomic.Bool
	sites   chan *crashSite
	stopped atomic.Bool
}

func (c *crashes) hook(call vfs.Call) error {
	if call.Op != vfs.OpSync && call.Op != vfs.OpSyncDir || c.quiet.Load() {
		return nil
	}
	n := int(c.synced.Add(1))
	if c.stopped.Load() || (n+c.offset)%c.every != 0 {
		return nil
	}
	for _, site := range c.cut(n, call) {
		c.sites <- site
	}
	return nil
}

func (c *crashes) cut(n int, call vfs.Call) (sites []*crashSite) {
	l := c.w.l
	l.mu.Lock()
	defer l.mu.Unlock()
	notes, now := l.notes[:len(l.notes):len(l.notes)], c.w.clock.Now()
	site := func(how string, disk *vfs.Mem) {
		sites = append(sites, &crashSite{n: n, at: call, how: how, disk: disk, notes: notes, now: now})
	}
	site("nothing unsynced is left", c.w.disk.Synced())
	for i := range c.torn {
		site(fmt.Sprint("torn at random ", i), c.w.disk.Crash())
	}
	return sites
}

// after starts on what a crash left, looks at it, lets the clients come back
// and finish, and starts once more.
func (s *crashSite) after(ctx context.Context) (err error) {
	now := s.now
	if s.n%2 == 1 {
		now = now.Add(-time.Minute) // the clock was set back meanwhile
	}
	w, err := newWorld(ctx, s.disk, now, s.notes, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\nthe newest notes:\n%s", err, last(w.l.notes, 40))
		}
	}()
	running := true
	defer func() {
		if running {
			_ = w.stop(false) //nolint:errcheck // it failed before
		}
	}()
	w.l.add(line{kind: crashed, session: s.how})
	stop := func() error {
		running = false
		return w.stop(s.n%2 == 0)
	}
	if err := steps(w.recheck, w.resume, w.complete, w.recheck, func() error {
		return w.checkpoint(CheckpointWish{Erase: s.n%3 == 0})
	}, w.recheck, stop); err != nil {
		return err
	}
	if err := w.start(); err != nil {
		return err
	}
	running = true
	return steps(w.recheck, w.complete, w.liveOn, w.recheck, stop)
}

// crashAtSyncPoints runs a workload and cuts the power at its sync points.
func crashAtSyncPoints(t *testing.T, seed uint64, every, torn int, workload func(*world) error) {
	t.Helper()
	c := &crashes{every: every, torn: torn, offset: int(seed), sites: make(chan *crashSite)}
	var looking sync.WaitGroup
	var looked atomic.Int64
	for range 2 {
		looking.Go(func() {
			for site := range c.sites {
				if c.stopped.Load() {
					continue
				}
				looked.Add(1)
				if err := site.after(t.Context()); err != nil {
					c.stopped.Store(true)
					t.Errorf("seed %d, cut at sync point %d (%s %s), %s: %v", seed, site.n, site.at.Op, site.at.Name, site.how, err)
				}
			}
		})
	}
	c.quiet.Store(true)
	w, err := newWorld(t.Context(), vfs.NewMem(seed), time.Unix(1_700_000_000, 0), nil, c.hook)
	if err != nil {
		t.Fatal(err)
	}
	c.w = w
	c.quiet.Store(false)
	if err := workload(w); err != nil {
		t.Errorf("%v\n%s", err, last(w.l.notes, 20))
	}
	if err := w.recheck(); err != nil {
		t.Errorf("without a crash: %v", err)
	}
	if err := w.stop(true); err != nil {
		t.Error(err)
	}
	close(c.sites)
	looking.Wait()
	t.Logf("seed %d: %d sync points, %d crashes looked at, %d notes", seed, c.synced.Load(), looked.Load(), len(w.l.notes))
}

func TestCrashAtEverySyncPoint(t *testing.T) {
	for seed := range pick(1, 1, 4) {
		crashAtSyncPoints(t, uint64(seed), pick(2, 10, 1), pick(1, 1, 4), func(w *world) error { return mixedWorkload(w, pick(4, 4, 6)) })
	}
}

// TestCrashWithFullChunks cuts the power while full chunks of rows are written,
// read back, and written anew without what was forgotten.
func TestCrashWithFullChunks(t *testing.T) {
	crashAtSyncPoints(t, 7, pick(11, 50, 1), pick(1, 1, 3), chunkWorkload)
}
