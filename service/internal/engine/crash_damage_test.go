package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// remains is a disk as a crash left it, with nothing under way, and what
// clients were told.
type remains struct {
	disk  *vfs.Mem
	notes []line
	// shorter are the notes without what the last two frames let be told.
	shorter []line
	now     time.Time
	// last is the journal's last segment; from and end enclose its last two
	// frames in it, and newest is where the last one begins.
	last              string
	from, newest, end int64
}

// left makes remains with two checkpoints and a tail, of which the last two
// frames are of a call each.
func left(t *testing.T) *remains {
	t.Helper()
	w := checkpointed(t, 1)
	a := newAuthor(w)
	known := len(w.l.notes)
	for range 2 {
		if err := w.call("unary", "third", []*said{{body: a.body("last", 40)}}, false); err != nil {
			t.Fatal(err)
		}
	}
	r := &remains{disk: w.disk.Synced(), notes: slices.Clone(w.l.notes), now: w.clock.Now()}
	for i, n := range r.notes {
		if i < known || n.kind != told {
			r.shorter = append(r.shorter, n)
		}
	}
	var at []journal.Position
	err := w.e.journal.Read(t.Context(), 0, func(p journal.Position, _ *journal.Frame) error {
		at = append(at, p)
		return nil
	})
	if err != nil || len(at) < 2 {
		t.Fatal(at, err)
	}
	names, err := w.disk.List("data")
	if err != nil {
		t.Fatal(err)
	}
	base := journal.Position(0)
	for _, name := range names {
		if from, _ := strings.CutSuffix(name, ".seg"); from != name {
			var p journal.Position
			if _, err := fmt.Sscanf(from, "%x", &p); err != nil {
				t.Fatal(err)
			}
			if p <= at[len(at)-2] {
				r.last, base = "data/"+name, p
			}
		}
	}
	r.from, r.newest, r.end = int64(at[len(at)-2]-base), int64(at[len(at)-1]-base), int64(w.e.journal.DurableEnd()-base)
	if err := w.stop(false); err != nil {
		t.Fatal(err)
	}
	return r
}

// verdict is what a start on damaged remains came to.
type verdict struct {
	refused  error // why it did not start
	damaged  int   // spaces that are refused
	reported int   // damages in the status, or found by a scrub
}

func (v *verdict) anything() bool { return v.refused != nil || v.damaged > 0 || v.reported > 0 }

// serve starts on a disk and holds everything that is served against what
// clients know. What is refused as damaged is counted; anything else that is
// not as it has to be is an error.
func serve(ctx context.Context, disk *vfs.Mem, now time.Time, notes []line) (v verdict, err error) {
	w, err := newWorld(ctx, disk, now, slices.Clip(slices.Clone(notes)), nil)
	if err != nil {
		var broken *journal.CorruptError
		var f *fault.Error
		if !errors.As(err, &broken) && !(errors.As(err, &f) && f.Code == fault.DataLoss) {
			return v, fmt.Errorf("not reported as damage: %w", err)
		}
		return verdict{refused: err}, nil
	}
	defer func() { err = errors.Join(err, w.stop(false)) }()
	m := w.l.model()
	for id := range m.names {
		_, err := checkName(ctx, w.e, m, id)
		switch {
		case reasonOf(err) == fault.SpaceDamaged:
			v.damaged++
		case err != nil:
			return v, err
		}
	}
	w.e.scrub(ctx)
	v.reported = len(w.e.Status().Checkpoint.Damage)
	return v, nil
}

// altered copies a disk and changes a file of the copy.
func (r *remains) altered(name string, change func(vfs.File) error) (*vfs.Mem, error) {
	disk := r.disk.Synced()
	f, err := disk.OpenReadWrite(name)
	if err != nil {
		return nil, err
	}
	return disk, errors.Join(change(f), f.Sync(), f.Close())
}

func flipBit(off int64, bit uint) func(vfs.File) error {
	return func(f vfs.File) error {
		var b [1]byte
		if _, err := f.ReadAt(b[:], off); err != nil {
			return err
		}
		b[0] ^= 1 << bit
		_, err := f.WriteAt(b[:], off)
		return err
	}
}

// TestTruncatedJournal cuts the journal at every byte of its last two frames.
// What lies before is there, nothing else is, and clients can go on.
func TestTruncatedJournal(t *testing.T) {
	r := left(t)
	if r.end-r.from < 100 || r.from <= 0 {
		t.Fatalf("%+v", r)
	}
	for at := r.from; at < r.end; at += pick[int64](1, 13, 1) {
		disk, err := r.altered(r.last, func(f vfs.File) error { return f.Truncate(at) })
		if err != nil {
			t.Fatal(err)
		}
		if at%pick[int64](11, 5, 1) == 0 {
			site := &crashSite{n: int(at), how: "cut off", disk: disk.Synced(), notes: slices.Clip(r.shorter), now: r.now}
			if err := site.after(t.Context()); err != nil {
				t.Fatalf("cut at %d of %d..%d: %v", at, r.from, r.end, err)
			}
		}
		if v, err := serve(t.Context(), disk, r.now, r.shorter); err != nil || v.anything() {
			t.Fatalf("cut at %d of %d..%d: %+v, %v", at, r.from, r.end, v, err)
		}
	}
	t.Logf("%d cuts", r.end-r.from)
}

// TestFlippedBits flips a bit of everything that a server has on disk. It is
// reported, or it lies where nothing is read; it is never served.
func TestFlippedBits(t *testing.T) {
	r := left(t)
	whole, err := serve(t.Context(), r.disk.Synced(), r.now, r.notes)
	if err != nil || whole.anything() {
		t.Fatalf("%+v, %v", whole, err)
	}
	step := pick[int64](127, 1021, 1)
	for _, dir := range []string{"data", "data.checkpoints"} {
		names, err := r.disk.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			r.flipAll(t, dir+"/"+name, step)
		}
	}
}

func (r *remains) flipAll(t *testing.T, name string, step int64) {
	t.Helper()
	size, err := r.disk.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	inCheckpoints := strings.HasPrefix(name, "data.checkpoints/")
	var refused, damaged, reported, harmless, cut int
	for off := int64(0); off < size; off += step {
		if name == r.last && off > r.end+512 && !soak {
			break // reserved room
		}
		disk, err := r.altered(name, flipBit(off, uint(off%8)))
		if err != nil {
			t.Fatal(err)
		}
		notes := r.notes
		if name == r.last && off >= r.newest && off < r.end {
			notes = r.shorter // a last commit that is torn cannot be told from one that is damaged
			cut++
		}
		v, err := serve(t.Context(), disk, r.now, notes)
		if err != nil {
			t.Fatalf("a flipped bit at %d of %s: %v", off, name, err)
		}
		switch {
		case v.refused != nil:
			refused++
		case v.damaged > 0:
			damaged++
		case v.reported > 0:
			reported++
		default:
			harmless++
		}
		if inCheckpoints && !v.anything() {
			t.Fatalf("a flipped bit at %d of %s is not reported", off, name)
		}
		if name == r.last && off >= r.from && off < r.newest && v.refused == nil {
			t.Fatalf("a flipped bit at %d of %s, in a frame that has a later one behind it, is not reported", off, name)
		}
	}
	t.Logf("%s: %d bytes: start refused %d, space refused %d, in the status or found by a scrub %d, nothing read there %d, last commit %d",
		name, size, refused, damaged, reported, harmless, cut)
}
