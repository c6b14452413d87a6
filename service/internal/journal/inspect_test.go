package journal_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/journal/journaltest"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// inspected gives what an inspection sees, and the frames it reads, which have
// to be some of those that were written, in order and unchanged.
func inspected(t *testing.T, disk vfs.FS, want []journaltest.Placed) *journal.Inspection {
	t.Helper()
	k := 0
	in, err := journal.Inspect(disk, "log", func(pos journal.Position, f *journal.Frame) error {
		for k < len(want) && want[k].Position != pos {
			k++
		}
		if k == len(want) || !reflect.DeepEqual(want[k].Frame, f) {
			return fmt.Errorf("the frame at %d was not written so", pos)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func TestInspectSound(t *testing.T) {
	for _, clean := range []bool{true, false} {
		disk, all := written(t, 60, clean)
		in := inspected(t, disk, all)
		if len(in.Damage)+len(in.Unfinished) > 0 || in.Frames != 60 || in.Clean != clean || in.ID == 0 {
			t.Errorf("clean %v: %+v", clean, in)
		}
		if n := len(segments(t, disk)); in.Segments != n || n < 3 {
			t.Errorf("%d segments of %d", in.Segments, n)
		}
	}
}

// A flipped bit is seen wherever it is: as damage, or, where an unfinished
// commit cannot be told from it, as that. Everything else is read.
func TestInspectFlippedBits(t *testing.T) {
	for _, clean := range []bool{true, false} {
		disk, all := written(t, 60, clean)
		damage, unfinished := 0, 0
		for _, name := range segments(t, disk) {
			size, err := disk.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			for off := int64(0); off < size; off += 1 + off%3 {
				flip(t, disk, name, off, uint(off)%8)
				in := inspected(t, disk, all)
				said := in.Unfinished
				for _, d := range in.Damage {
					said = append(said, d.CorruptError)
					if d.Until < d.From || d.Until > d.From+4096 {
						t.Fatalf("byte %d of %s: damaged from %d to %d", off, name, d.From, d.Until)
					}
				}
				if len(said) != 1 || said[0].File != name || said[0].Offset > off {
					t.Fatalf("byte %d of %s: %v", off, name, said)
				}
				if in.Frames < 59 {
					t.Fatalf("byte %d of %s: only %d frames are read", off, name, in.Frames)
				}
				damage += len(in.Damage)
				unfinished += len(in.Unfinished)
				flip(t, disk, name, off, uint(off)%8)
			}
		}
		if damage < 10*len(all) || unfinished == 0 {
			t.Errorf("clean %v: %d damaged, %d unfinished", clean, damage, unfinished)
		}
	}
}

// A segment that is gone is named, and those after it are read.
func TestInspectMissingSegment(t *testing.T) {
	disk, all := written(t, 60, true)
	names := segments(t, disk)
	for i, name := range names {
		after := disk.Crash()
		if err := after.Remove(name); err != nil {
			t.Fatal(err)
		}
		in := inspected(t, after, all)
		// Without the first it looks trimmed; the last is the spare.
		gone := i > 0 && i < len(names)-1
		if gone != (len(in.Damage) == 1 && in.Damage[0].File == name) {
			t.Errorf("without %d of %d: %v", i, len(names), in.Damage)
		}
		if in.Frames < 30 {
			t.Errorf("without %d of %d: %d frames", i, len(names), in.Frames)
		}
	}
	if _, err := journal.Inspect(disk, "nowhere", nil); err == nil {
		t.Error("a directory that is not there")
	}
}
