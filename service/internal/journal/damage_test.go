package journal_test

import (
	"context"
	"errors"
	"path"
	"reflect"
	"strings"
	"testing"

	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/journal/journaltest"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// written makes a log of n frames on a fresh disk and closes it, cleanly or as
// a power cut would.
func written(t *testing.T, n int, clean bool) (*vfs.Mem, []journaltest.Placed) {
	t.Helper()
	disk := vfs.NewMem(1)
	j, err := journal.Open(small(disk, "log"))
	if err != nil {
		t.Fatal(err)
	}
	var all []journaltest.Placed
	for i := range n {
		f := journaltest.NewFrame(i, 60+i*7%50)
		pos, err := j.Append(context.Background(), f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, journaltest.Placed{Position: pos, Frame: f})
	}
	waitSpare(j)
	after := disk.Crash() // one frame a commit: everything is synced
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if clean {
		after = disk
	}
	return after, all
}

func segments(t *testing.T, disk vfs.FS) []string {
	t.Helper()
	names, err := disk.List("log")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, n := range names {
		if strings.HasSuffix(n, ".seg") {
			found = append(found, path.Join("log", n))
		}
	}
	return found
}

func edit(t *testing.T, disk vfs.FS, name string, change func(vfs.File) error) {
	t.Helper()
	f, err := disk.OpenReadWrite(name)
	if err == nil {
		err = errors.Join(change(f), f.Sync(), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func flip(t *testing.T, disk vfs.FS, name string, off int64, bit uint) {
	t.Helper()
	edit(t, disk, name, func(f vfs.File) error {
		var b [1]byte
		if _, err := f.ReadAt(b[:], off); err != nil {
			return err
		}
		b[0] ^= 1 << bit
		_, err := f.WriteAt(b[:], off)
		return err
	})
}

// served opens the log and reads it. Frames that are handed out have to be the
// first of those that were written, unchanged.
func served(t *testing.T, disk vfs.FS, want []journaltest.Placed) (int, error) {
	t.Helper()
	j, err := journal.Open(small(disk, "log"))
	if err != nil {
		return 0, err
	}
	got, err := journaltest.ReadAll(j, 0)
	for i, p := range got {
		if i >= len(want) || !reflect.DeepEqual(p, want[i]) {
			t.Fatalf("frame %d was served as something else", i)
		}
	}
	if err != nil {
		// The journal has to have ended, too.
		var failed *journal.FailedError
		if _, err := j.Append(context.Background(), journaltest.NewFrame(1, 1)); !errors.As(err, &failed) {
			t.Fatalf("append to a damaged log: %v", err)
		}
		if closeErr := j.Close(); !errors.As(closeErr, &failed) {
			t.Fatalf("close of a damaged log: %v", closeErr)
		}
		return len(got), err
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return len(got), nil
}

// TestFlippedBits flips one bit in every byte of a log. It has to be reported;
// only the last commit of a log that was not closed cleanly may be cut instead.
func TestFlippedBits(t *testing.T) {
	for _, clean := range []bool{true, false} {
		disk, all := written(t, 60, clean)
		reported, harmless, cuts := 0, 0, 0
		for si, name := range segments(t, disk) {
			size, err := disk.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			for off := range size {
				if off > headerAndSome && testing.Short() && off%7 != 0 {
					continue
				}
				damaged := disk.Crash()
				flip(t, damaged, name, off, uint(off%8))
				n, err := served(t, damaged, all)
				var damage *journal.CorruptError
				switch {
				case errors.As(err, &damage):
					reported++
					if damage.File == "" {
						t.Fatalf("%v names no file", damage)
					}
				case err != nil:
					t.Fatalf("segment %d byte %d: %v", si, off, err)
				case n == len(all):
					harmless++ // in zeros behind the end, or in a mark
				case n == len(all)-1 && !clean:
					cuts++
				default:
					t.Fatalf("clean %v, segment %d byte %d: %d of %d frames, and no error", clean, si, off, n, len(all))
				}
			}
		}
		t.Logf("clean %v: %d reported, %d harmless, %d cut", clean, reported, harmless, cuts)
		if reported == 0 || harmless == 0 || !clean && cuts == 0 {
			t.Fatal("a case never came up")
		}
	}
}

const headerAndSome = 200

// TestTruncated cuts the last file at every byte of the last two frames.
func TestTruncated(t *testing.T) {
	disk, all := written(t, 12, false)
	names := segments(t, disk)
	name := names[0]
	n := len(all)
	start, last := int64(all[n-2].Position), int64(all[n-1].Position)
	end := last + (last - start) + 200
	for size := start; size < end; size++ {
		damaged := disk.Crash()
		edit(t, damaged, name, func(f vfs.File) error { return f.Truncate(size) })
		got, err := served(t, damaged, all)
		if err != nil {
			t.Fatalf("cut to %d bytes: %v", size, err)
		}
		switch {
		case got == n:
			if size <= last {
				t.Fatalf("cut to %d bytes: the last frame, at %d, was served", size, last)
			}
		case got == n-1 && size >= last, got == n-2 && size < last:
		default:
			t.Fatalf("cut to %d bytes: %d of %d frames; they begin at %d and %d", size, got, n, start, last)
		}
		// What was cut is gone for good: opening again gives the same.
		if again, err := served(t, damaged, all); err != nil || again != got {
			t.Fatalf("second open: %d frames after %d, %v", again, got, err)
		}
	}
}

// TestMissingSegment takes away each file of a log in turn.
func TestMissingSegment(t *testing.T) {
	disk, all := written(t, 60, false)
	names := segments(t, disk)
	for i, name := range names {
		damaged := disk.Crash()
		if err := damaged.Remove(name); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			// Without its oldest file a log looks trimmed; whoever asks for
			// what was there is told.
			j := mustOpen(t, small(damaged, "log"))
			var trimmed *journal.TrimmedError
			if _, err := journaltest.ReadAll(j, all[0].Position); !errors.As(err, &trimmed) {
				t.Fatalf("without the oldest segment: %v", err)
			}
			continue
		}
		n, err := served(t, damaged, all)
		var damage *journal.CorruptError
		if !errors.As(err, &damage) || !strings.HasSuffix(damage.File, path.Base(name)) {
			// The last file is the spare, or the one after the last seal.
			if i < len(names)-1 || err != nil || n != len(all) {
				t.Fatalf("without segment %d of %d: %d frames, %v", i, len(names), n, err)
			}
		}
	}
}

// TestForeignBytes puts a segment of another log, whole and valid, in the place
// of one of this log.
func TestForeignBytes(t *testing.T) {
	disk, all := written(t, 60, false)
	other, _ := written(t, 60, false)
	name := segments(t, disk)[1]
	from, err := other.OpenRead(name)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4<<10)
	if _, err := from.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	edit(t, disk, name, func(f vfs.File) error { _, err := f.WriteAt(b, 0); return err })
	_, err = served(t, disk, all)
	var damage *journal.CorruptError
	if !errors.As(err, &damage) || damage.File != name {
		t.Fatalf("%v, want damage in %s", err, name)
	}
	// Only the frames, under this log's own header.
	disk, all = written(t, 60, false)
	edit(t, disk, name, func(f vfs.File) error { _, err := f.WriteAt(b[32:], 32); return err })
	if _, err := served(t, disk, all); !errors.As(err, &damage) || damage.File != name {
		t.Fatalf("%v, want damage in %s", err, name)
	}
}
