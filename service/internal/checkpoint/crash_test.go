package checkpoint_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// cut is the disk as a power cut left it, and what had been promised then.
type cut struct {
	at        vfs.Call
	disk      *vfs.Mem
	committed uint64 // position of the newest catalog whose Commit returned
	underWay  uint64 // position of the one whose Commit may have been under way
}

// ledger cuts the power of a disk at every call and counts promises. Guarded
// by mu.
type ledger struct {
	mu   sync.Mutex
	now  cut
	cuts []cut
}

func (l *ledger) watch(disk *vfs.Mem, each int) *vfs.Inject {
	return vfs.NewInject(disk, func(c vfs.Call) error {
		switch c.Op {
		case vfs.OpRead, vfs.OpOpen, vfs.OpMap:
			return nil
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		for range each {
			now := l.now
			now.at, now.disk = c, disk.Crash()
			l.cuts = append(l.cuts, now)
		}
		return nil
	})
}

func (l *ledger) promise(committed, underWay uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now.committed, l.now.underWay = committed, underWay
}

// round is what the n-th catalog of the workload holds: by space, one section
// in a pack file that all share, and one in a file of its own that lasts three
// rounds.
type round struct {
	s   *checkpoint.Store
	own map[memory.SpaceID]checkpoint.Ref
}

func (r *round) content(what string, n uint64, size int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%s of %d;", what, n), size)
}

var spaces = []memory.SpaceID{"one", "two", "three"}

// write makes the files of round n and gives the catalog.
func (r *round) write(t *testing.T, n uint64) checkpoint.Catalog {
	c := checkpoint.Catalog{Journal: 42, Position: n, Ended: map[memory.SpaceID]checkpoint.Ended{"gone": {Generation: memory.Generation(n), Position: n}}}
	pack := must[*checkpoint.Writer](t)(r.s.Create(nil))
	for i, name := range spaces {
		if own := r.own[name]; own.File == 0 && own.Length == 0 || (int(n)+i)%3 == 0 {
			w := must[*checkpoint.Writer](t)(r.s.Create(nil))
			r.own[name] = must[checkpoint.Ref](t)(w.Append(r.content("own "+string(name), n, 60)))
			check(t, w.Finish())
		}
		own := r.own[name]
		manifest := fmt.Appendf(nil, "%d %d %d %s", own.File, own.Offset, own.Length, r.content(string(name), n, 30))
		c.Spaces = append(c.Spaces, checkpoint.Entry{
			Space: name, Incarnation: 1, Manifest: must[checkpoint.Ref](t)(pack.Append(manifest)),
			Files: []checkpoint.FileID{pack.ID(), own.File},
		})
	}
	if n == 4 { // one that spans blocks
		must[checkpoint.Ref](t)(pack.Append(make([]byte, checkpoint.BlockSize+77)))
	}
	check(t, pack.Finish())
	// And some that come to nothing.
	lost := must[*checkpoint.Writer](t)(r.s.Create(nil))
	must[checkpoint.Ref](t)(lost.Append([]byte("in no catalog")))
	if n%2 == 0 {
		check(t, lost.Abort())
	} else {
		check(t, lost.Finish())
	}
	return c
}

// wholly reads everything the catalog in force names and says what is wrong.
func wholly(s *checkpoint.Store, c *checkpoint.Catalog) error {
	if len(c.Spaces) != len(spaces) || c.Journal != 42 || c.Ended["gone"].Position != c.Position {
		return fmt.Errorf("the catalog is %+v", c)
	}
	for n, e := range c.Spaces {
		b, err := read(s, e.Manifest)
		if err != nil {
			return err
		}
		var own checkpoint.Ref
		if _, err := fmt.Sscanf(string(b), "%d %d %d", &own.File, &own.Offset, &own.Length); err != nil {
			return fmt.Errorf("manifest %q: %w", b, err)
		}
		if e.Space != spaces[n] || !bytes.HasSuffix(b, fmt.Appendf(nil, "%s of %d;", e.Space, c.Position)) {
			return fmt.Errorf("the manifest of %s at %d is %q", e.Space, c.Position, b)
		}
		if b, err = read(s, own); err != nil {
			return err
		}
		if !bytes.HasPrefix(b, fmt.Appendf(nil, "own %s of ", e.Space)) {
			return fmt.Errorf("the own section of %s is %q", e.Space, b)
		}
	}
	return nil
}

func read(s *checkpoint.Store, r checkpoint.Ref) ([]byte, error) {
	f, err := s.File(r.File)
	if err != nil {
		return nil, err
	}
	b, err := f.Section(r)
	b = bytes.Clone(b)
	runtime.KeepAlive(f) // its bytes are mapped as long as it is reachable
	return b, err
}

const rounds = 7

// run does the whole workload and gives the cuts.
func run(t *testing.T, seed uint64) []cut {
	disk := vfs.NewMem(seed)
	l := &ledger{}
	s := open(t, l.watch(disk, 3))
	r := &round{s: s, own: map[memory.SpaceID]checkpoint.Ref{}}
	release := func() {}
	for n := uint64(1); n <= rounds; n++ {
		c := r.write(t, n)
		l.promise(n-1, n)
		committed := must[*checkpoint.Catalog](t)(s.Commit(c))
		l.promise(n, n)
		if n == 2 {
			release = s.Hold(committed)
		}
		if n == 5 {
			release()
		}
	}
	check(t, s.Close())
	last := l.now
	last.disk = disk.Crash()
	return append(l.cuts, last)
}

// TestCrashEverywhere cuts the power before every call that changes the disk,
// and wants of each cut: the catalog in force is the newest whose Commit
// returned, or the one that was under way; it and the one before read back
// whole; nothing is reported as damage; and the store goes on.
func TestCrashEverywhere(t *testing.T) {
	seeds := uint64(4)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		cuts := run(t, seed)
		t.Logf("seed %d: %d cuts", seed, len(cuts))
		for n, c := range cuts {
			if err := afterCrash(t, c, n%7 == 0); err != nil {
				t.Fatalf("seed %d, cut %d before %+v, %d committed: %v", seed, n, c.at, c.committed, err)
			}
		}
	}
}

func afterCrash(t *testing.T, c cut, again bool) error {
	l := &ledger{now: c}
	s, err := checkpoint.Open(checkpoint.Options{FS: l.watch(c.disk, 1), Dir: dir})
	if err != nil {
		return err
	}
	if err := inForce(s, c); err != nil {
		return errors.Join(err, s.Close())
	}
	// It goes on, with ids and numbers that were not used.
	if again {
		r := &round{s: s, own: map[memory.SpaceID]checkpoint.Ref{}}
		next := r.write(t, c.underWay+1)
		l.promise(l.now.committed, c.underWay+1)
		if _, err := s.Commit(next); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	if err := s.Close(); err != nil {
		return err
	}
	// The power was cut again meanwhile.
	for _, second := range l.cuts {
		s, err := checkpoint.Open(checkpoint.Options{FS: second.disk, Dir: dir})
		if err != nil {
			return fmt.Errorf("second cut before %+v: %w", second.at, err)
		}
		if err := errors.Join(inForce(s, second), s.Close()); err != nil {
			return fmt.Errorf("second cut before %+v: %w", second.at, err)
		}
	}
	return nil
}

func inForce(s *checkpoint.Store, c cut) error {
	if d := s.Damage(); len(d) > 0 {
		return errors.Join(d...)
	}
	latest := s.Latest()
	if latest == nil {
		if c.committed > 0 {
			return errors.New("no catalog is in force")
		}
		return nil
	}
	if latest.Position < c.committed || latest.Position > c.underWay {
		return fmt.Errorf("%d is in force, %d was committed and %d under way", latest.Position, c.committed, c.underWay)
	}
	if err := wholly(s, latest); err != nil {
		return err
	}
	previous := s.Previous()
	if previous == nil {
		if c.committed > 0 && latest.Position > 1 {
			return errors.New("no previous catalog")
		}
		return nil
	}
	if previous.Number >= latest.Number {
		return fmt.Errorf("previous is %d, latest %d", previous.Number, latest.Number)
	}
	return wholly(s, previous)
}

// TestWithoutSyncsLoses is the control: on a disk that only says that it syncs,
// the same checks have to fail.
func TestWithoutSyncsLoses(t *testing.T) {
	for _, what := range []string{"files", "names"} {
		lost := 0
		for seed := range uint64(20) {
			disk := vfs.NewMem(seed)
			s := open(t, &lying{FS: disk, files: what == "files"})
			r := &round{s: s, own: map[memory.SpaceID]checkpoint.Ref{}}
			for n := uint64(1); n <= 2; n++ {
				must[*checkpoint.Catalog](t)(s.Commit(r.write(t, n)))
			}
			after, err := checkpoint.Open(checkpoint.Options{FS: disk.Crash(), Dir: dir})
			if err != nil {
				lost++
			} else {
				if inForce(after, cut{committed: 2, underWay: 2}) != nil {
					lost++
				}
				check(t, after.Close())
			}
			check(t, s.Close())
		}
		if lost == 0 {
			t.Fatalf("without syncs of %s nothing was lost: the crash tests prove nothing", what)
		}
		t.Logf("without syncs of %s %d of 20 runs lost data", what, lost)
	}
}

// lying is a disk that does not sync files, or directories.
type lying struct {
	vfs.FS
	files bool
}

func (l *lying) SyncDir(name string) error {
	if l.files {
		return l.FS.SyncDir(name)
	}
	return nil
}

func (l *lying) Create(name string) (vfs.File, error) {
	f, err := l.FS.Create(name)
	if err == nil && l.files {
		f = lyingFile{f}
	}
	return f, err
}

type lyingFile struct{ vfs.File }

func (lyingFile) Sync() error { return nil }

// TestGarbageGoes wants no more on the disk than two catalogs name.
func TestGarbageGoes(t *testing.T) {
	disk := vfs.NewMem(1)
	s := open(t, disk)
	r := &round{s: s, own: map[memory.SpaceID]checkpoint.Ref{}}
	for n := uint64(1); n <= rounds; n++ {
		must[*checkpoint.Catalog](t)(s.Commit(r.write(t, n)))
	}
	want := []string{"LOCK"}
	for _, c := range []*checkpoint.Catalog{s.Latest(), s.Previous()} {
		want = append(want, fmt.Sprintf("catalog-%016x", c.Number))
		for _, id := range c.Files() {
			want = append(want, fmt.Sprintf("%016x.ckpt", uint64(id)))
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	got := must[[]string](t)(disk.List(dir))
	// A lock in memory leaves no file.
	if diff := cmp.Diff(slices.DeleteFunc(want, func(s string) bool { return s == "LOCK" }), got); diff != "" {
		t.Fatalf("what is there:\n%s", diff)
	}
	check(t, s.Close())
}
