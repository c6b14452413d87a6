package journal_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/journal/journaltest"
	"github.com/engram-stream/engram/service/internal/vfs"
)

func mustOpen(t testing.TB, opts journal.Options) *journal.Segments {
	t.Helper()
	j, err := journal.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

// waitSpare returns once the preparer is idle: what the disk holds, and which
// calls it sees, is then left to the committer alone.
func waitSpare(j journal.Journal) {
	for !j.Usage().Spare {
		runtime.Gosched()
	}
}

func mustAppend(t testing.TB, j journal.Journal, n, size int) journaltest.Placed {
	t.Helper()
	f := journaltest.NewFrame(n, size)
	pos, err := j.Append(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	return journaltest.Placed{Position: pos, Frame: f}
}

// TestFirstFailureIsTerminal fails one write or sync of a commit and lets all
// later calls succeed: none may be made.
func TestFirstFailureIsTerminal(t *testing.T) {
	for _, op := range []vfs.Op{vfs.OpSync, vfs.OpWrite} {
		t.Run(string(op), func(t *testing.T) {
			disk := vfs.NewMem(1)
			inject := vfs.NewInject(disk, nil)
			opts := small(inject, "log")
			opts.SegmentBytes = 1 << 20
			j := mustOpen(t, opts)
			waitSpare(j)
			want := []journaltest.Placed{mustAppend(t, j, 0, 10), mustAppend(t, j, 1, 10)}
			var once sync.Once
			inject.SetHook(func(c vfs.Call) (err error) {
				if c.Op == op {
					once.Do(func() { err = syscall.EIO })
				}
				return err
			})
			var failed *journal.FailedError
			if _, err := j.Append(context.Background(), journaltest.NewFrame(2, 10)); !errors.As(err, &failed) || !errors.Is(err, syscall.EIO) {
				t.Fatalf("append: %v", err)
			}
			writes, syncs := inject.Count(vfs.OpWrite), inject.Count(vfs.OpSync)
			if _, err := j.Append(context.Background(), journaltest.NewFrame(3, 10)); !errors.As(err, &failed) {
				t.Fatalf("later append: %v", err)
			}
			if err := j.AppendAsync(journaltest.NewFrame(4, 10), func(journal.Position, error) { t.Error("done was called") }); !errors.As(err, &failed) {
				t.Fatalf("later append: %v", err)
			}
			if !errors.As(j.Err(), &failed) {
				t.Fatalf("Err: %v", j.Err())
			}
			got, err := journaltest.ReadAll(j, 0)
			if err != nil || len(got) != len(want) {
				t.Fatalf("%d frames, %v: what was durable has to stay readable", len(got), err)
			}
			if u := j.Usage(); op == vfs.OpSync && u.SyncErrors != 1 {
				t.Fatalf("%d sync errors", u.SyncErrors)
			}
			if err := j.Close(); !errors.As(err, &failed) {
				t.Fatalf("Close: %v", err)
			}
			if inject.Count(vfs.OpWrite) != writes || inject.Count(vfs.OpSync) != syncs {
				t.Fatal("the disk was written or synced again after the failure")
			}
		})
	}
}

// TestNoRoomForNextSegment fills the disk: the refusal shows before frames are
// refused, nothing durable is lost, and room that comes back is used.
func TestNoRoomForNextSegment(t *testing.T) {
	disk := vfs.NewMem(1)
	disk.SetCapacity(3*(4<<10) - 1) // two segments
	opts := small(disk, "log")
	opts.Watermarks = journal.Watermarks{WarnFreeBytes: -1, WarnFreePercent: -1, RefuseFreeBytes: -1, RefuseFreePercent: -1}
	j := mustOpen(t, opts)
	var want []journaltest.Placed
	n := 0
	fill := func() {
		t.Helper()
		for {
			f := journaltest.NewFrame(n, 500)
			pos, err := j.Append(context.Background(), f)
			if errors.Is(err, journal.ErrFull) && vfs.IsNoSpace(err) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, journaltest.Placed{Position: pos, Frame: f})
			n++
		}
	}
	fill()
	if len(want) < 10 {
		t.Fatalf("full after %d frames", len(want))
	}
	if u := j.Usage(); u.Level != journal.LevelRefuse || u.DiskTotal != 3*(4<<10)-1 {
		t.Fatalf("usage %+v", u)
	}
	if err := j.Err(); err != nil {
		t.Fatalf("a full disk ended the journal: %v", err)
	}
	before := len(want)
	disk.SetCapacity(6 * (4 << 10))
	fill()
	if len(want) < before+10 {
		t.Fatalf("only %d frames more with more room", len(want)-before)
	}
	got, err := journaltest.ReadAll(j, 0)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d of %d frames, %v", len(got), len(want), err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = mustOpen(t, opts)
	if got, err := journaltest.ReadAll(j, 0); err != nil || len(got) != len(want) {
		t.Fatalf("after reopening: %d of %d frames, %v", len(got), len(want), err)
	}
}

// TestWriteFindsDiskFull is about file systems that cannot reserve: half of a
// commit is written, with a whole frame in it, then there is no room. The half
// is taken back.
func TestWriteFindsDiskFull(t *testing.T) {
	disk := vfs.NewMem(1)
	inject := vfs.NewInject(disk, nil)
	opts := small(inject, "log")
	opts.SegmentBytes = 64 << 10
	j := mustOpen(t, opts)
	waitSpare(j)
	begun, release := make(chan struct{}), make(chan struct{})
	inject.SetHook(func(c vfs.Call) error {
		if c.Op != vfs.OpWrite {
			return nil
		}
		select {
		case <-begun:
			return syscall.ENOSPC
		default: // the first one is held until the others wait, and goes well
			close(begun)
			<-release
			return nil
		}
	})
	var wg sync.WaitGroup
	for n, want := range []error{nil, journal.ErrFull, journal.ErrFull} {
		wg.Add(1)
		if err := j.AppendAsync(journaltest.NewFrame(n, n*n*2000), func(_ journal.Position, err error) {
			defer wg.Done()
			if !errors.Is(err, want) {
				t.Errorf("frame %d: %v, want %v", n, err, want)
			}
		}); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			<-begun
		}
	}
	close(release)
	wg.Wait()
	check := func(want ...int) {
		t.Helper()
		for range 20 { // a crash may lose what was not taken back
			opts.FS = disk.Crash()
			got, err := journaltest.ReadAll(mustOpen(t, opts), 0)
			if err != nil || len(got) != len(want) {
				t.Fatalf("%d frames, want %d; %v", len(got), len(want), err)
			}
			for i, p := range got {
				if int(p.Frame.FirstGeneration) != want[i] {
					t.Fatalf("frame %d in place of %d", p.Frame.FirstGeneration, want[i])
				}
			}
		}
	}
	check(0)
	inject.SetHook(nil)
	mustAppend(t, j, 3, 10)
	check(0, 3)
}

func TestWatermarks(t *testing.T) {
	disk := vfs.NewMem(1)
	opts := small(disk, "log")
	opts.Watermarks = journal.Watermarks{WarnFreeBytes: 20 << 10, WarnFreePercent: -1, RefuseFreeBytes: -1, RefuseFreePercent: 10}
	j := mustOpen(t, opts)
	waitSpare(j)
	for free, want := range map[int64]journal.Level{100 << 10: journal.LevelNormal, 15 << 10: journal.LevelWarning, 100: journal.LevelRefuse} {
		disk.SetCapacity(8<<10 + free) // beside the journal's two segments
		if got := j.Usage().Level; got != want {
			t.Errorf("%d bytes free: %v, want %v", free, got, want)
		}
	}
}

// TestCommitsAreShared holds the first sync until every other writer waits:
// they have to share the second one.
func TestCommitsAreShared(t *testing.T) {
	inject := vfs.NewInject(vfs.NewMem(1), nil)
	var commits []journal.Commit
	opts := journal.Options{FS: inject, Dir: "log", SegmentBytes: 1 << 20, Observe: func(c journal.Commit) { commits = append(commits, c) }}
	j := mustOpen(t, opts)
	started, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	inject.SetHook(func(c vfs.Call) error {
		if c.Op == vfs.OpSync && c.Name == "log/0000000000000000.seg" {
			once.Do(func() { close(started); <-release })
		}
		return nil
	})
	const writers = 16
	var wg sync.WaitGroup
	wg.Go(func() { mustAppend(t, j, 0, 10) })
	<-started
	for n := range writers {
		wg.Add(1)
		if err := j.AppendAsync(journaltest.NewFrame(n, 10), func(_ journal.Position, err error) {
			defer wg.Done()
			if err != nil {
				t.Error(err)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	if u := j.Usage(); u.WaitingFrames != writers || u.WaitingBytes == 0 {
		t.Fatalf("usage %+v", u)
	}
	close(release)
	wg.Wait()
	if got := j.Usage().Syncs; got != 2 {
		t.Fatalf("%d syncs for %d frames", got, writers+1)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if len(commits) != 2 || commits[0].Frames != 1 || commits[1].Frames != writers || commits[1].Bytes == 0 || commits[1].Records == 0 {
		t.Fatalf("commits %+v", commits)
	}
}

// TestQueueIsBounded stalls the disk and fills the queue.
func TestQueueIsBounded(t *testing.T) {
	inject := vfs.NewInject(vfs.NewMem(1), nil)
	j := mustOpen(t, journal.Options{FS: inject, Dir: "log", SegmentBytes: 1 << 20, QueueFrames: 2})
	started, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	inject.SetHook(func(c vfs.Call) error {
		if c.Op == vfs.OpWrite && c.Name == "log/0000000000000000.seg" {
			once.Do(func() { close(started); <-release })
		}
		return nil
	})
	var wg sync.WaitGroup
	async := func() error {
		wg.Add(1)
		err := j.AppendAsync(journaltest.NewFrame(1, 10), func(journal.Position, error) { wg.Done() })
		if err != nil {
			wg.Done()
		}
		return err
	}
	if err := async(); err != nil {
		t.Fatal(err)
	}
	<-started
	for i, want := range []error{nil, nil, journal.ErrQueueFull} {
		if err := async(); !errors.Is(err, want) {
			t.Fatalf("frame %d: %v, want %v", i, err, want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := j.Append(ctx, journaltest.NewFrame(2, 10)); !errors.Is(err, context.Canceled) {
		t.Fatalf("append to a full queue: %v", err)
	}
	wg.Go(func() { mustAppend(t, j, 3, 10) }) // waits for room, and gets it
	close(release)
	wg.Wait()
}

func TestOneHolder(t *testing.T) {
	disk := vfs.NewMem(1)
	j := mustOpen(t, small(disk, "log"))
	if _, err := journal.Open(small(disk, "log")); !errors.Is(err, vfs.ErrLocked) {
		t.Fatalf("second Open: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, small(disk, "log"))
}

func TestReadHeaders(t *testing.T) {
	disk := vfs.NewMem(1)
	j := mustOpen(t, small(disk, "log"))
	var want []journaltest.Placed
	for n := range 30 {
		want = append(want, mustAppend(t, j, n, 1000))
	}
	i := 0
	err := j.ReadHeaders(context.Background(), want[5].Position, func(pos journal.Position, f *journal.Frame) error {
		w := want[5+i]
		if pos != w.Position || f.Payload != nil || f.FirstGeneration != w.Frame.FirstGeneration {
			t.Fatalf("frame %d: position %d, %+v", i, pos, f)
		}
		i++
		return nil
	})
	if err != nil || i != 25 {
		t.Fatalf("%d headers, %v", i, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := j.Read(ctx, 0, func(journal.Position, *journal.Frame) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Fatalf("canceled Read: %v", err)
	}
}
