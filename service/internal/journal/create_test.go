package journal_test

import (
	"errors"
	"testing"

	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/journal/journaltest"
	"github.com/engram-stream/engram/service/internal/vfs"
)

func TestCreate(t *testing.T) {
	disk := vfs.NewMem(1)
	opts := small(disk, "restored/log")
	const id, start = 0xfeed, 123_456_789
	if err := journal.Create(opts, id, start); err != nil {
		t.Fatal(err)
	}
	opts.FS = disk.Crash() // it was durable
	j := mustOpen(t, opts)
	if j.ID() != id || j.Usage().First != start || j.DurableEnd() < start {
		t.Fatalf("id %x, from %d to %d", j.ID(), j.Usage().First, j.DurableEnd())
	}
	want := mustAppend(t, j, 0, 100)
	got, err := journaltest.ReadAll(j, start)
	if err != nil || len(got) != 1 || got[0].Position != want.Position || want.Position < start {
		t.Fatalf("%+v, %v", got, err)
	}
	var trimmed *journal.TrimmedError
	if _, err := journaltest.ReadAll(j, start-1); !errors.As(err, &trimmed) {
		t.Fatalf("read from before the start: %v", err)
	}
	if err := journal.Create(opts, id, start); !errors.Is(err, vfs.ErrLocked) {
		t.Fatalf("create while it is open: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := journal.Create(opts, id+1, start+1); !errors.Is(err, journal.ErrExists) {
		t.Fatalf("create over a log: %v", err)
	}
	if j = mustOpen(t, opts); j.ID() != id {
		t.Fatalf("a refused create changed the id to %x", j.ID())
	}
}

func TestCreateRefuses(t *testing.T) {
	if err := journal.Create(small(vfs.NewMem(1), ""), 1, 0); err == nil {
		t.Error("without a directory")
	}
	if err := journal.Create(small(vfs.NewMem(1), "log"), 1, 1<<63); err == nil {
		t.Error("a start from which positions run over")
	}
	disk := vfs.NewMem(1)
	disk.SetCapacity(100)
	if err := journal.Create(small(disk, "log"), 1, 0); !errors.Is(err, journal.ErrFull) {
		t.Errorf("on a full disk: %v", err)
	}
	disk.SetCapacity(0)
	if err := journal.Create(small(disk, "log"), 1, 0); err != nil {
		t.Errorf("after the disk was full: %v", err)
	}
}
