package journal_test

import (
	"sync"
	"testing"

	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/journal/journaltest"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// TestStrayFramesStayDead tears a commit of two frames so that the second one
// is left whole. Nobody was told of it: it must not come back, not even when a
// new frame ends exactly where it begins.
func TestStrayFramesStayDead(t *testing.T) {
	const size = 700 // more than a sector, so that a cut can take the first alone
	disk := vfs.NewMem(1)
	inject := vfs.NewInject(disk, nil)
	j := mustOpen(t, small(inject, "log"))
	waitSpare(j)
	// The first commit is held until two more frames wait: they become one.
	started, release := make(chan struct{}), make(chan struct{})
	inject.SetHook(func(c vfs.Call) error {
		if c.Op == vfs.OpWrite && started != nil {
			close(started)
			<-release
			started = nil
		}
		return nil
	})
	begun := started
	var wg sync.WaitGroup
	var positions [3]journal.Position
	for n := range positions {
		wg.Add(1)
		if err := j.AppendAsync(journaltest.NewFrame(3*n, size), func(pos journal.Position, err error) {
			defer wg.Done()
			if err != nil {
				t.Error(err)
			}
			positions[n] = pos
		}); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			<-begun
		}
	}
	close(release)
	wg.Wait()
	if got := j.Usage().Syncs; got != 2 {
		t.Fatalf("%d commits, want 2", got)
	}
	after := disk.Crash()
	name := segments(t, after)[0]
	edit(t, after, name, func(f vfs.File) error {
		_, err := f.WriteAt(make([]byte, 512), int64(positions[1]))
		return err
	})

	j = mustOpen(t, small(after, "log"))
	fresh := mustAppend(t, j, 3, size) // of the same encoded size
	if fresh.Position != positions[1] {
		t.Fatalf("appended at %d, cut at %d", fresh.Position, positions[1])
	}
	crashed := mustOpen(t, small(after.Crash(), "log"))
	got, err := journaltest.ReadAll(crashed, 0)
	if err != nil {
		t.Fatal(err)
	}
	if end := crashed.Usage().Durable; end != positions[2] {
		t.Fatalf("the new frame ends at %d, the stray one began at %d: the test tests nothing", end, positions[2])
	}
	if len(got) != 2 {
		t.Fatalf("%d frames, want 2", len(got))
	}
}
