package journal_test

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/journal/journaltest"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// cut is the disk as a power cut left it, and what had been promised then.
type cut struct {
	at       vfs.Call
	disk     *vfs.Mem
	acked    int // frames
	appended int // frames handed to the journal, at most
	trimmed  journal.Position
}

// ledger counts what a workload was promised. Guarded by mu.
type ledger struct {
	mu      sync.Mutex
	acked   int
	trimmed journal.Position
	cuts    []cut
}

// watch wraps the disk and cuts its power several times at every call that
// reaches it.
func (l *ledger) watch(disk *vfs.Mem, total int, each int) *vfs.Inject {
	return vfs.NewInject(disk, func(c vfs.Call) error {
		if c.Op == vfs.OpRead || c.Op == vfs.OpOpen {
			return nil
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		for range each {
			l.cuts = append(l.cuts, cut{at: c, disk: disk.Crash(), acked: l.acked, appended: total, trimmed: l.trimmed})
		}
		return nil
	})
}

// workload is what TestCrashEverywhere appends.
var workload = func() (frames [60]*journal.Frame) {
	for n := range frames {
		frames[n] = journaltest.NewFrame(n, 40+n*37%700)
	}
	return frames
}()

// TestCrashEverywhere runs a workload that fills several segments, cuts the
// power before every call that changes the disk, and wants of each cut:
// acked ⊆ recovered ⊆ appended, in order, each once, and a log that goes on.
func TestCrashEverywhere(t *testing.T) {
	const total, each = len(workload), 3
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
		// Bursts of async appends make commits of several frames.
		var positions []journal.Position
		for n := 0; n < total; {
			var wg sync.WaitGroup
			for range min(1+n%6, total-n) {
				wg.Add(1)
				err := j.AppendAsync(workload[n], func(pos journal.Position, err error) {
					defer wg.Done()
					l.mu.Lock()
					defer l.mu.Unlock()
					if err != nil {
						t.Error(err)
					}
					l.acked++
					positions = append(positions, pos)
				})
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			wg.Wait()
			if n > 40 { // from here on the beginning goes
				l.mu.Lock()
				before := positions[n-30]
				l.trimmed = before
				l.mu.Unlock()
				if err := j.Trim(before); err != nil {
					t.Fatal(err)
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

// afterCrash opens the log a cut left, while cutting the power again at every
// step of that, checks it, and goes on with it.
func afterCrash(t *testing.T, c cut, positions []journal.Position) {
	t.Helper()
	again := &ledger{acked: c.acked, trimmed: c.trimmed}
	j, err := journal.Open(small(again.watch(c.disk, c.appended, 1), "log"))
	if err != nil {
		t.Errorf("open: %v", err)
		return
	}
	recovered := recoveredFrames(t, j, c, positions)
	if t.Failed() {
		_ = j.Close()
		return
	}
	again.mu.Lock()
	second := again.cuts
	again.mu.Unlock()
	for _, c := range second {
		j, err := journal.Open(small(c.disk, "log"))
		if err != nil {
			t.Errorf("open after a second cut before %+v: %v", c.at, err)
			continue
		}
		recoveredFrames(t, j, c, positions)
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}
	more := journaltest.NewFrame(1000, 600)
	pos, err := j.Append(context.Background(), more)
	if err != nil {
		t.Errorf("append after the crash: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	j, err = journal.Open(small(c.disk, "log"))
	if err != nil {
		t.Errorf("second open: %v", err)
		return
	}
	got, err := journaltest.ReadAll(j, 0)
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(append(recovered, journaltest.Placed{Position: pos, Frame: more}), got); diff != "" {
		t.Errorf("after one more frame:\n%s", diff)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

func recoveredFrames(t *testing.T, j journal.Journal, c cut, positions []journal.Position) []journaltest.Placed {
	t.Helper()
	got, err := journaltest.ReadAll(j, 0)
	if err != nil {
		t.Error(err)
		return got
	}
	if len(got) == 0 {
		if c.acked > 0 && positions[c.acked-1] >= c.trimmed {
			t.Errorf("nothing recovered of %d acked", c.acked)
		}
		return got
	}
	first := int(got[0].Frame.FirstGeneration)
	for i, p := range got {
		n := first + i
		if int(p.Frame.FirstGeneration) != n || n >= c.appended {
			t.Errorf("frame %d in place of %d of %d", p.Frame.FirstGeneration, n, c.appended)
			return got
		}
		if !reflect.DeepEqual(workload[n], p.Frame) {
			t.Errorf("frame %d has changed:\n%s", n, cmp.Diff(workload[n], p.Frame))
		}
		if p.Position != positions[n] {
			t.Errorf("frame %d is at %d, was at %d", n, p.Position, positions[n])
		}
	}
	if last := first + len(got); last < c.acked {
		t.Errorf("%d recovered of %d acked", last, c.acked)
	}
	if first > 0 && positions[first-1] >= c.trimmed {
		t.Errorf("begins at frame %d; only what is before position %d was given up", first, c.trimmed)
	}
	return got
}

// TestWithoutSyncLosesData is the control: on a disk that only says that it
// syncs, the same check has to find losses.
func TestWithoutSyncLosesData(t *testing.T) {
	lost := 0
	for seed := range uint64(20) {
		disk := vfs.NewMem(seed)
		j, err := journal.Open(small(lying{disk}, "log"))
		if err != nil {
			t.Fatal(err)
		}
		for n := range 5 {
			if _, err := j.Append(context.Background(), journaltest.NewFrame(n, 100)); err != nil {
				t.Fatal(err)
			}
		}
		after, err := journal.Open(small(disk.Crash(), "log"))
		var damage *journal.CorruptError
		switch {
		case errors.As(err, &damage):
			lost++
		case err != nil:
			t.Fatal(err)
		default:
			if got, err := journaltest.ReadAll(after, 0); err != nil || len(got) < 5 {
				lost++
			}
			if err := after.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if lost == 0 {
		t.Fatal("nothing was lost without syncs: the crash tests prove nothing")
	}
	t.Logf("%d of 20 runs lost data", lost)
}

// lying is a disk whose syncs do nothing.
type lying struct{ vfs.FS }

type lyingFile struct{ vfs.File }

func (lyingFile) Sync() error { return nil }

func (l lying) Create(name string) (vfs.File, error) {
	f, err := l.FS.Create(name)
	if err != nil {
		return nil, err
	}
	return lyingFile{f}, nil
}
