package checkpoint_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// source is a store with some rounds behind it, and gives its files raw.
func source(t *testing.T) (*checkpoint.Store, func(checkpoint.FileID) (io.ReadCloser, error)) {
	s := open(t, vfs.NewMem(1))
	t.Cleanup(func() { check(t, s.Close()) })
	r := &round{s: s, own: map[memory.SpaceID]checkpoint.Ref{}}
	for n := uint64(1); n <= 4; n++ {
		must[*checkpoint.Catalog](t)(s.Commit(r.write(t, n)))
	}
	return s, func(id checkpoint.FileID) (io.ReadCloser, error) {
		b, _, err := s.Reader(id)
		return b, err
	}
}

func TestInstall(t *testing.T) {
	from, files := source(t)
	disk := vfs.NewMem(2)
	check(t, checkpoint.Install(disk, dir, *from.Latest(), files))
	s := open(t, disk)
	if diff := cmp.Diff(from.Latest(), s.Latest()); diff != "" || s.Previous() != nil || len(s.Damage()) > 0 {
		t.Fatalf("in force is not what was installed:\n%s\n%v", diff, s.Damage())
	}
	check(t, wholly(s, s.Latest()))
	one(t, s, 5, []byte("goes on"))
	if s.Latest().Number != from.Latest().Number+1 || s.Latest().Spaces[0].Files[0] < from.Latest().NextFile {
		t.Fatalf("went on with %+v", s.Latest())
	}
	check(t, s.Close())
	var occupied *checkpoint.OccupiedError
	if err := checkpoint.Install(disk, dir, *from.Latest(), files); !errors.As(err, &occupied) {
		t.Fatalf("installed over a store: %v", err)
	}
	for name, want := range map[string]bool{"notes.txt": true, "LOCK": false, "0000000000000001.ckpt": true, "catalog-0000000000000001.tmp": true} {
		disk := vfs.NewMem(1)
		check(t, disk.MkdirAll(dir))
		must[vfs.File](t)(disk.Create(path.Join(dir, name)))
		if err := checkpoint.Install(disk, dir, *from.Latest(), files); errors.As(err, &occupied) != want {
			t.Errorf("installed beside %s: %v", name, err)
		}
	}
}

// TestInstallRefuses gives Install bytes that are not those of the files.
func TestInstallRefuses(t *testing.T) {
	from, files := source(t)
	c := from.Latest()
	for name, change := range map[string]func(id checkpoint.FileID, b []byte) []byte{
		"short":   func(_ checkpoint.FileID, b []byte) []byte { return b[:len(b)-1] },
		"long":    func(_ checkpoint.FileID, b []byte) []byte { return append(b, 0) },
		"empty":   func(checkpoint.FileID, []byte) []byte { return nil },
		"flipped": func(_ checkpoint.FileID, b []byte) []byte { b[100] ^= 1; return b },
		"late":    func(_ checkpoint.FileID, b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"header":  func(_ checkpoint.FileID, b []byte) []byte { b[0] ^= 1; return b },
		"another": func(_ checkpoint.FileID, b []byte) []byte { return bytes.Repeat([]byte{1}, len(b)) },
		"last broken": func(id checkpoint.FileID, b []byte) []byte {
			if all := c.Files(); id == all[len(all)-1] {
				b[70] ^= 1
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			disk := vfs.NewMem(1)
			err := checkpoint.Install(disk, dir, *c, func(id checkpoint.FileID) (io.ReadCloser, error) {
				r, err := files(id)
				if err != nil {
					return nil, err
				}
				b, err := io.ReadAll(r)
				return io.NopCloser(bytes.NewReader(change(id, b))), errors.Join(err, r.Close())
			})
			if !errors.As(err, new(*checkpoint.DamageError)) {
				t.Fatalf("install: %v", err)
			}
			if _, err := checkpoint.Open(checkpoint.Options{FS: disk, Dir: dir}); err == nil {
				t.Fatal("what was not installed can be opened")
			}
			report := must[checkpoint.Report](t)(checkpoint.VerifyDir(disk, dir))
			if !report.Unfinished || len(report.Catalogs) > 0 {
				t.Fatalf("report %+v", report)
			}
			check(t, checkpoint.Install(disk, dir, *c, files))
		})
	}
	if err := checkpoint.Install(vfs.NewMem(1), dir, checkpoint.Catalog{}, files); err == nil {
		t.Fatal("installed a catalog without a number")
	}
	gone := errors.New("gone")
	if err := checkpoint.Install(vfs.NewMem(1), dir, *c, func(checkpoint.FileID) (io.ReadCloser, error) { return nil, gone }); !errors.Is(err, gone) {
		t.Fatalf("install from nothing: %v", err)
	}
}

// TestInstallCrash cuts the power at every step of an installation, also of one
// that comes after a cut one: the directory has it wholly, or is refused by
// Open and can be installed into again. Only before the first step it is empty.
func TestInstallCrash(t *testing.T) {
	from, files := source(t)
	c := *from.Latest()
	seen := map[string]int{}
	judge := func(at cut) *vfs.Mem {
		s, err := checkpoint.Open(checkpoint.Options{FS: at.disk, Dir: dir})
		switch {
		case err != nil:
			seen["refused"]++
			if errors.As(err, new(*checkpoint.DamageError)) {
				t.Fatalf("before %+v: %v", at.at, err)
			}
			return at.disk
		case s.Latest() == nil:
			seen["empty"]++
			if report := must[checkpoint.Report](t)(checkpoint.VerifyDir(at.disk, dir)); len(report.Files) > 0 {
				t.Fatalf("before %+v: no catalog, and files: %+v", at.at, report)
			}
			check(t, s.Close())
			return at.disk
		default:
			seen["whole"]++
			if err := wholly(s, s.Latest()); err != nil || len(s.Damage()) > 0 {
				t.Fatalf("before %+v: %v, damage %v", at.at, err, s.Damage())
			}
			check(t, s.Close())
			return nil
		}
	}
	for seed := range uint64(2) {
		disk := vfs.NewMem(seed)
		l := &ledger{}
		check(t, checkpoint.Install(l.watch(disk, 2), dir, c, files))
		for _, at := range l.cuts {
			left := judge(at)
			if left == nil {
				continue
			}
			again := &ledger{}
			check(t, checkpoint.Install(again.watch(left, 1), dir, c, files))
			for _, at := range again.cuts {
				judge(at)
			}
			if judge(cut{disk: left.Crash()}) != nil {
				t.Fatal("the second installation is not there")
			}
		}
	}
	t.Logf("%v", seen)
	if seen["refused"] == 0 || seen["whole"] == 0 || seen["empty"] == 0 {
		t.Fatal("not every case came up")
	}
}

// readOnly fails every call that changes something.
func readOnly(disk vfs.FS) vfs.FS {
	return noLock{vfs.NewInject(disk, func(c vfs.Call) error {
		switch c.Op {
		case vfs.OpRead, vfs.OpOpen, vfs.OpMap:
			return nil
		}
		return fmt.Errorf("%s of %s by a reader", c.Op, c.Name)
	})}
}

type noLock struct{ vfs.FS }

func (noLock) Lock(string) (io.Closer, error) { return nil, errors.New("a reader takes a lock") }
func (noLock) MkdirAll(string) error          { return errors.New("a reader makes a directory") }

func TestVerifyDir(t *testing.T) {
	disk, first, second, refs := twoCatalogs(t)
	for _, name := range []string{"notes.txt", "catalog-00000000000000ff.tmp", "00000000000000aa.ckpt"} {
		f := must[vfs.File](t)(disk.Create(path.Join(dir, name)))
		must[int](t)(f.WriteAt([]byte("half written"), 0))
		check(t, f.Close())
	}
	report := must[checkpoint.Report](t)(checkpoint.VerifyDir(readOnly(disk), dir))
	size := func(name string) int64 { return must[int64](t)(disk.Stat(name)) }
	a, b := first.Spaces[0].Files[0], refs[0].File
	want := checkpoint.Report{
		Catalogs: []checkpoint.CatalogReport{
			{Name: path.Base(catalogFile(second.Number)), Number: second.Number, Size: size(catalogFile(second.Number)), Created: second.Created, Journal: 7, Position: 2, Spaces: 1, Files: 1, Whole: true, InForce: true},
			{Name: path.Base(catalogFile(first.Number)), Number: first.Number, Size: size(catalogFile(first.Number)), Created: first.Created, Journal: 7, Position: 1, Spaces: 1, Files: 1, Whole: true},
		},
		Files: []checkpoint.FileReport{
			{Name: path.Base(dataFile(a)), ID: a, Size: size(dataFile(a)), Blocks: 1, Referenced: true},
			{Name: path.Base(dataFile(b)), ID: b, Size: size(dataFile(b)), Blocks: 1, Referenced: true},
			{Name: "00000000000000aa.ckpt", ID: 0xaa, Size: 12, Damaged: 1},
		},
		Temporaries: []string{"catalog-00000000000000ff.tmp"},
		Others:      []string{"notes.txt"},
	}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Fatal(diff)
	}

	// All that can be wrong at once.
	check(t, disk.Remove(dataFile(b)))
	replace(t, disk, catalogFile(first.Number), []byte("rubbish"))
	report = must[checkpoint.Report](t)(checkpoint.VerifyDir(readOnly(disk), dir))
	if len(report.Damage) != 2 || !report.Catalogs[0].InForce || report.Catalogs[0].Whole || !report.Files[1].Missing || report.Files[0].Referenced {
		t.Fatalf("report %+v", report)
	}
	for n, name := range []string{catalogFile(first.Number), dataFile(b)} {
		if err := damaged(report.Damage[n], name, 1000); err != nil {
			t.Error(err)
		}
	}
	check(t, disk.Remove(catalogFile(first.Number)))
	check(t, disk.Remove(catalogFile(second.Number)))
	report = must[checkpoint.Report](t)(checkpoint.VerifyDir(readOnly(disk), dir))
	if len(report.Damage) != 1 || len(report.Catalogs) > 0 {
		t.Fatalf("without catalogs: %+v", report)
	}
	if _, err := checkpoint.VerifyDir(disk, "nowhere"); err == nil {
		t.Fatal("a directory that is not there is whole")
	}
}
