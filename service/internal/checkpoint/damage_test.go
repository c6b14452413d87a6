package checkpoint_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/vfs"
)

func dataFile(id checkpoint.FileID) string {
	return path.Join(dir, fmt.Sprintf("%016x.ckpt", uint64(id)))
}
func catalogFile(number uint64) string { return path.Join(dir, fmt.Sprintf("catalog-%016x", number)) }

// disk makes a closed store with two catalogs, of one small file each; the
// second has two sections of note.
func twoCatalogs(t *testing.T) (disk *vfs.Mem, first, second *checkpoint.Catalog, refs []checkpoint.Ref) {
	disk = vfs.NewMem(1)
	s := open(t, disk)
	first, _ = one(t, s, 1, []byte("the first"))
	second, refs = one(t, s, 2, bytes.Repeat([]byte("abc"), 33), []byte("the second"))
	check(t, s.Close())
	return disk, first, second, refs
}

func bytesOf(t *testing.T, fsys vfs.FS, name string) []byte {
	t.Helper()
	f := must[vfs.File](t)(fsys.OpenRead(name))
	b := make([]byte, must[int64](t)(f.Size()))
	must[int](t)(f.ReadAt(b, 0))
	check(t, f.Close())
	return b
}

func replace(t *testing.T, fsys vfs.FS, name string, b []byte) {
	t.Helper()
	f := must[vfs.File](t)(fsys.Create(name))
	must[int](t)(f.WriteAt(b, 0))
	check(t, f.Close())
}

// damaged wants err to be a *DamageError about the file, and to name a place
// within it.
func damaged(err error, name string, size int) error {
	var d *checkpoint.DamageError
	switch {
	case !errors.As(err, &d):
		return fmt.Errorf("not reported as damage: %w", err)
	case d.File != name || d.Offset < 0 || d.Offset > int64(size):
		return fmt.Errorf("reported of %s at %d, it is in %s of %d bytes", d.File, d.Offset, name, size)
	}
	return nil
}

// bySections asks for all sections of a file and gives the first error.
func bySections(s *checkpoint.Store, refs []checkpoint.Ref) error {
	for _, r := range refs {
		f, err := s.File(r.File)
		if err != nil {
			return err
		}
		if b, err := f.Section(r); err != nil {
			if b != nil {
				return errors.New("bytes came with the error")
			}
			return err
		}
		if p, err := f.Private(r); err != nil || uint64(len(p.Bytes())) != r.Length {
			return fmt.Errorf("private section: %w", err)
		}
	}
	return nil
}

// TestEveryBitOfAFile flips every bit of a data file, one at a time.
func TestEveryBitOfAFile(t *testing.T) {
	disk, _, second, refs := twoCatalogs(t)
	name := dataFile(refs[0].File)
	good := bytesOf(t, disk, name)
	t.Logf("%d bytes", len(good))
	for bit := range len(good) * 8 {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		replace(t, disk, name, bad)
		s := open(t, disk)
		if got := s.Latest(); got.Number != second.Number {
			t.Fatalf("catalog %d is in force", got.Number)
		}
		if err := damaged(bySections(s, refs), name, len(good)); err != nil {
			t.Fatalf("bit %d of byte %d: %v", bit%8, bit/8, err)
		}
		_, found := s.Scrub(t.Context(), nil)
		if len(found) != 1 || damaged(found[0], name, len(good)) != nil {
			t.Fatalf("bit %d of byte %d: scrub finds %v", bit%8, bit/8, found)
		}
		check(t, s.Close())
		report := must[checkpoint.Report](t)(checkpoint.VerifyDir(disk, dir))
		if len(report.Damage) != 1 || damaged(report.Damage[0], name, len(good)) != nil || report.Catalogs[0].Whole || !report.Catalogs[1].Whole {
			t.Fatalf("bit %d of byte %d: report %+v", bit%8, bit/8, report)
		}
	}
	replace(t, disk, name, good)
	s := open(t, disk)
	check(t, bySections(s, refs))
	check(t, s.Close())
}

// TestEveryBitOfACatalog flips every bit of the newest catalog: the one before
// takes its place and the damage is told. Alone, it keeps the store closed.
func TestEveryBitOfACatalog(t *testing.T) {
	disk, first, second, _ := twoCatalogs(t)
	name := catalogFile(second.Number)
	good := bytesOf(t, disk, name)
	t.Logf("%d bytes", len(good))
	for bit := range len(good) * 8 {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		replace(t, disk, name, bad)
		fallsBack(t, disk, first, name, len(good))
	}
	older := bytesOf(t, disk, catalogFile(first.Number))
	check(t, disk.Remove(catalogFile(first.Number)))
	for bit := range len(good) * 8 {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		replace(t, disk, name, bad)
		if _, err := checkpoint.Open(checkpoint.Options{FS: disk, Dir: dir}); damaged(err, name, len(good)) != nil {
			t.Fatalf("bit %d of byte %d: %v", bit%8, bit/8, err)
		}
	}
	// Nothing was touched: with the bit put right all is as before.
	replace(t, disk, catalogFile(first.Number), older)
	replace(t, disk, name, good)
	s := open(t, disk)
	if len(s.Damage()) > 0 || s.Latest().Number != second.Number {
		t.Fatalf("after the repair %d is in force, damage %v", s.Latest().Number, s.Damage())
	}
	check(t, s.Close())
}

func fallsBack(t *testing.T, disk vfs.FS, to *checkpoint.Catalog, name string, size int) {
	t.Helper()
	s := open(t, disk)
	defer func() { check(t, s.Close()) }()
	if s.Latest() == nil || s.Latest().Number != to.Number || s.Previous() != nil {
		t.Fatalf("%+v is in force", s.Latest())
	}
	found := s.Damage()
	if len(found) != 1 {
		t.Fatalf("damage %v", found)
	}
	if err := damaged(found[0], name, size); err != nil {
		t.Fatal(err)
	}
	if got := section(t, s, to.Spaces[0].Manifest); string(got) != "the first" {
		t.Fatalf("the manifest is %q", got)
	}
}

// TestTruncated cuts data file and catalog off at every byte, and lets them go
// on by one.
func TestTruncated(t *testing.T) {
	disk, first, second, refs := twoCatalogs(t)
	for _, name := range []string{dataFile(refs[0].File), catalogFile(second.Number)} {
		good := bytesOf(t, disk, name)
		for size := range len(good) + 2 {
			if size == len(good) {
				continue
			}
			replace(t, disk, name, append(bytes.Clone(good), 0)[:size])
			// A file of another size shows without being read.
			fallsBack(t, disk, first, name, max(size, len(good)))
			s := open(t, disk)
			if strings.HasSuffix(name, ".ckpt") {
				var refused *checkpoint.CatalogError
				if _, err := s.Commit(*second); !errors.As(err, &refused) {
					t.Fatalf("commit of a file cut to %d: %v", size, err)
				}
				if err := damaged(bySections(s, refs), name, max(size, len(good))); err != nil {
					t.Fatalf("%s cut to %d: %v", name, size, err)
				}
			}
			check(t, s.Close())
		}
		replace(t, disk, name, good)
	}
}

func TestMissingFile(t *testing.T) {
	disk, first, second, refs := twoCatalogs(t)
	name := dataFile(refs[0].File)
	check(t, disk.Remove(name))
	fallsBack(t, disk, first, name, 0)
	// With the other one gone too, the newest is in force for what it still has.
	check(t, disk.Remove(dataFile(first.Spaces[0].Files[0])))
	s := open(t, disk)
	if len(s.Damage()) != 2 || s.Latest().Number != second.Number || s.Previous().Number != first.Number {
		t.Fatalf("latest %+v, damage %v", s.Latest(), s.Damage())
	}
	if err := damaged(bySections(s, refs), name, 0); err != nil {
		t.Fatal(err)
	}
	if err := bySections(s, refs); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a missing file gives %v", err)
	}
	// A space whose file is missing does not keep the others from a checkpoint,
	// and is not forgotten.
	other := must[*checkpoint.Writer](t)(s.Create(nil))
	r := must[checkpoint.Ref](t)(other.Append([]byte("another space")))
	check(t, other.Finish())
	both := *second
	both.Spaces = append(slices.Clone(second.Spaces), checkpoint.Entry{Space: "other", Manifest: r, Files: []checkpoint.FileID{other.ID()}})
	carried := must[*checkpoint.Catalog](t)(s.Commit(both))
	check(t, s.Close())
	s = open(t, disk)
	if len(s.Damage()) != 1 || s.Latest().Number != carried.Number || s.Latest().Sizes[refs[0].File] != second.Sizes[refs[0].File] {
		t.Fatalf("latest %+v, damage %v", s.Latest(), s.Damage())
	}
	if got := section(t, s, r); string(got) != "another space" {
		t.Fatalf("the other space has %q", got)
	}
	// One without it mends it: numbers and ids go on, what was damaged goes.
	third, _ := one(t, s, 3, []byte("the third"))
	if third.Number <= second.Number || third.Spaces[0].Files[0] <= refs[0].File {
		t.Fatalf("catalog %+v after %+v", third, second)
	}
	check(t, s.Close())
}

// TestCommitAfterFallback wants the damaged catalog and its files to stay until
// a Commit, and to go then.
func TestCommitAfterFallback(t *testing.T) {
	disk, first, second, refs := twoCatalogs(t)
	replace(t, disk, catalogFile(second.Number), []byte("rubbish"))
	s := open(t, disk)
	bytesOf(t, disk, dataFile(refs[0].File))
	third, _ := one(t, s, 3, []byte("the third"))
	if third.Number != second.Number+1 || third.Spaces[0].Files[0] <= refs[0].File {
		t.Fatalf("catalog %+v after %+v", third, second)
	}
	for _, name := range []string{dataFile(refs[0].File), catalogFile(second.Number)} {
		if _, err := disk.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%s: %v", name, err)
		}
	}
	check(t, s.Close())
	s = open(t, disk)
	if len(s.Damage()) > 0 || s.Latest().Number != third.Number || s.Previous().Number != first.Number {
		t.Fatalf("latest %+v, previous %+v, damage %v", s.Latest(), s.Previous(), s.Damage())
	}
	check(t, s.Close())
}

// TestDamageIsLocal damages the second of three blocks: what lies in the
// others is served, and what touches it is not.
func TestDamageIsLocal(t *testing.T) {
	disk := vfs.NewMem(1)
	s := open(t, disk)
	half := bytes.Repeat([]byte{1}, checkpoint.BlockSize/2+64)
	_, refs := one(t, s, 1, half, half, half, half, half, []byte("manifest"))
	name := dataFile(refs[0].File)
	b := bytesOf(t, disk, name)
	b[checkpoint.BlockSize+5] ^= 4
	check(t, s.Close())
	replace(t, disk, name, b)
	s = open(t, disk)
	f := must[*checkpoint.File](t)(s.File(refs[0].File))
	for range 2 { // damage is not forgotten
		for n, r := range refs {
			_, err := f.Section(r)
			first, last := r.Offset/checkpoint.BlockSize, (r.Offset+r.Length-1)/checkpoint.BlockSize
			touches := first <= 1 && last >= 1
			var d *checkpoint.DamageError
			if touches && (!errors.As(err, &d) || d.Offset != checkpoint.BlockSize) || !touches && err != nil {
				t.Fatalf("section %d, in blocks %d to %d: %v", n, first, last, err)
			}
		}
	}
	check(t, s.Close())
}

// TestSwappedBlocks puts a block, whole by itself, in the place of another.
func TestSwappedBlocks(t *testing.T) {
	disk := vfs.NewMem(1)
	s := open(t, disk)
	_, refs := one(t, s, 1, make([]byte, 3*checkpoint.BlockSize))
	other, _ := one(t, s, 2, make([]byte, 3*checkpoint.BlockSize))
	check(t, s.Close())
	// All-zero blocks 1 and 2 differ by nothing but their places, and so do
	// those of the two files: the tables have to tell them apart.
	const at = 3*checkpoint.BlockSize + 64
	a := bytesOf(t, disk, dataFile(refs[0].File))
	b := bytesOf(t, disk, dataFile(other.Spaces[0].Files[0]))
	if bytes.Equal(a[at+4:at+8], a[at+8:at+12]) || bytes.Equal(a[at+4:at+8], b[at+4:at+8]) {
		t.Fatal("equal blocks in different places have one checksum")
	}
}

func TestBadRefs(t *testing.T) {
	s := open(t, vfs.NewMem(1))
	_, refs := one(t, s, 1, []byte("manifest"))
	f := must[*checkpoint.File](t)(s.File(refs[0].File))
	good := refs[0]
	for _, r := range []checkpoint.Ref{
		{}, {File: good.File}, {File: good.File, Offset: 63, Length: 1}, {File: good.File, Offset: 65, Length: 1},
		{File: good.File + 1, Offset: 64, Length: 1}, {File: good.File, Offset: 64, Length: good.Length + 1},
		{File: good.File, Offset: 64, Length: 1<<64 - 1}, {File: good.File, Offset: 1<<64 - 64, Length: 64},
		{File: good.File, Offset: 128, Length: 0},
	} {
		_, err := f.Section(r)
		_, perr := f.Private(r)
		var d *checkpoint.DamageError
		if !errors.As(err, &d) || !errors.As(perr, &d) {
			t.Errorf("%v: %v, %v", r, err, perr)
		}
	}
	if _, err := s.File(77); err == nil || errors.As(err, new(*checkpoint.DamageError)) {
		t.Errorf("a file that never was: %v", err)
	}
	check(t, s.Close())
}

// TestReadFails wants a disk that cannot read to be reported as damage, and
// nothing of it remembered.
func TestReadFails(t *testing.T) {
	disk, _, _, refs := twoCatalogs(t)
	bad := errors.New("medium error")
	fsys := vfs.NewInject(disk, nil)
	s := open(t, fsys)
	fsys.SetHook(vfs.FailNth(vfs.OpRead, 0, bad))
	if err := bySections(s, refs); !errors.Is(err, bad) || damaged(err, dataFile(refs[0].File), 1<<20) != nil {
		t.Fatalf("read: %v", err)
	}
	if _, found := s.Scrub(t.Context(), nil); len(found) != 4 {
		t.Fatalf("scrub of two catalogs and two files: %v", found)
	}
	fsys.SetHook(vfs.FailNth(vfs.OpMap, 0, bad))
	if err := bySections(s, refs); !errors.Is(err, bad) {
		t.Fatalf("map: %v", err)
	}
	fsys.SetHook(nil)
	check(t, bySections(s, refs))
	check(t, s.Close())
}

func TestDamageAsFault(t *testing.T) {
	err := error(&checkpoint.DamageError{File: "/secret/name", Offset: 3, Cause: errors.New("flipped")})
	err = fmt.Errorf("load space: %w", err)
	f := fault.Of(err)
	if f.Code != fault.DataLoss || f.Reason != fault.Corrupt || strings.Contains(f.Error(), "secret") {
		t.Fatalf("fault %+v", f)
	}
	for _, part := range []string{"/secret/name", "byte 3", "flipped"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
}
