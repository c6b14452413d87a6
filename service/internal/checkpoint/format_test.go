package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"path"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// image is a whole data file.
func image(id FileID, data []byte) []byte {
	b := append(appendHeader(nil, id), data...)
	f := footer{id: id, data: uint64(len(b))}
	for n := range int(blocksOf(f.data)) {
		from, to := f.block(n)
		f.sums = append(f.sums, blockSum(id, n, b[from:to]))
	}
	return f.append(b)
}

// seal puts the right checksum on a trailer that was changed.
func seal(b []byte) []byte {
	trailer := b[len(b)-trailerSize:]
	binary.LittleEndian.PutUint32(trailer[trailerSize-4:], crc32.Checksum(trailer[:trailerSize-4], castagnoli))
	return b
}

// FuzzFooter reads arbitrary bytes as a data file. What is taken for a whole
// file has to be, byte for byte, what a writer makes of its data.
func FuzzFooter(f *testing.F) {
	small := image(5, []byte("some bytes"))
	f.Add(small)
	f.Add(image(5, nil))
	f.Add([]byte{})
	f.Add(small[:len(small)-1])
	for _, at := range []int{7, 8, 16, 19, 23, 24, 28, 31, 32} { // with checksums that are right
		bad := bytes.Clone(small)
		bad[len(bad)-trailerSize+at] ^= 0x83
		f.Add(seal(bad))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		foot, err := readFooter(bytes.NewReader(b), "f", 5, int64(len(b)))
		if err != nil {
			var d *DamageError
			var v *VersionError
			if foot != nil || !errors.As(err, &d) && !errors.As(err, &v) || d != nil && (d.Offset < 0 || d.Offset > int64(len(b))) {
				t.Fatalf("%v with %+v", err, foot)
			}
			return
		}
		if foot.id != 5 || uint64(len(foot.sums)) != blocksOf(foot.data) {
			t.Fatalf("footer %+v of %d bytes", foot, len(b))
		}
		for n := range foot.sums {
			from, to := foot.block(n)
			if foot.check("f", n, b[from:to]) != nil {
				return
			}
		}
		if string(b[:headerSize]) != string(appendHeader(nil, 5)) {
			return
		}
		if again := image(5, b[headerSize:foot.data]); !bytes.Equal(again[:len(again)-trailerSize], b[:len(b)-trailerSize]) {
			t.Fatal("another file was taken for whole")
		}
	})
}

// FuzzCatalog reads arbitrary bytes as a catalog, or behind a header line that
// is right for them. One that passes is written and read again without a change.
func FuzzCatalog(f *testing.F) {
	c := &Catalog{
		Number: 3, Created: time.Unix(1, 2).UTC(), Journal: 1<<64 - 1, Position: 9, NextFile: 8,
		Spaces: []Entry{{Space: "tests", Incarnation: 2, Manifest: Ref{File: 7, Offset: 64, Length: 3}, Files: []FileID{6, 7}}},
		Ended:  map[memory.SpaceID]Ended{"gone": {Generation: 4, Position: 5}},
		Sizes:  map[FileID]uint64{6: 1000, 7: 2000},
	}
	good, err := c.encode()
	if err != nil {
		f.Fatal(err)
	}
	body := good[bytes.IndexByte(good, '\n')+1:]
	f.Add(good, false)
	f.Add(body, true)
	f.Add([]byte("engram-catalog 1 0 00000000\n"), false)
	f.Add([]byte(strings.Repeat("engram-catalog", 10)), false)
	for _, bad := range []string{
		"", "{", "null", "{}", string(body) + " ", strings.Replace(string(body), `"f":7`, `"f":9`, 1),
		strings.Replace(string(body), "tests", "T", 1), strings.Replace(string(body), `"number"`, `"numbers"`, 1),
	} {
		f.Add([]byte(bad), true)
	}
	f.Add(append(headerLine(catalogVersion+1, body), body...), false)
	f.Fuzz(func(t *testing.T, b []byte, framed bool) {
		if framed {
			b = append(headerLine(catalogVersion, b), b...)
		}
		c, err := decodeCatalog("c", 3, b)
		if err != nil {
			var d *DamageError
			var v *VersionError
			if c != nil || !errors.As(err, &d) && !errors.As(err, &v) || d != nil && (d.Offset < 0 || d.Offset > int64(len(b))) {
				t.Fatalf("%v with %+v", err, c)
			}
			return
		}
		again, err := c.encode()
		if err != nil {
			t.Fatalf("cannot be written again: %v", err)
		}
		twice, err := decodeCatalog("c", 3, again)
		if err != nil || !reflect.DeepEqual(normal(c), normal(twice)) {
			t.Fatalf("%+v came back as %+v: %v", c, twice, err)
		}
	})
}

// normal makes equal what JSON does not tell apart.
func normal(c *Catalog) *Catalog {
	c = c.clone()
	c.Created = c.Created.UTC()
	if len(c.Spaces) == 0 {
		c.Spaces = nil
	}
	for n := range c.Spaces {
		if len(c.Spaces[n].Files) == 0 {
			c.Spaces[n].Files = nil
		}
	}
	if len(c.Ended) == 0 {
		c.Ended = nil
	}
	if len(c.Sizes) == 0 {
		c.Sizes = nil
	}
	return c
}

// TestRoundTripAny writes sections of any sizes, in pieces, and reads them.
func TestRoundTripAny(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, err := Open(Options{FS: vfs.NewMem(1), Dir: "c"})
		if err != nil {
			t.Fatal(err)
		}
		w, err := s.Create(nil)
		if err != nil {
			t.Fatal(err)
		}
		size := rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(BlockSize-200, BlockSize+200))
		var want [][]byte
		var refs []Ref
		for n := range rapid.IntRange(1, 6).Draw(t, "sections") {
			b := bytes.Repeat([]byte{byte(n + 1)}, size.Draw(t, "size"))
			r, err := w.Append(b)
			if err != nil {
				t.Fatal(err)
			}
			want, refs = append(want, b), append(refs, r)
		}
		if err := w.Finish(); err != nil {
			t.Fatal(err)
		}
		f, err := s.File(w.ID())
		if err != nil {
			t.Fatal(err)
		}
		for n := range refs {
			got, err := f.Section(refs[n])
			if err != nil || !bytes.Equal(got, want[n]) || refs[n].Offset%Align != 0 {
				t.Fatalf("section %d, %v: %v", n, refs[n], err)
			}
		}
		for n := range f.sound {
			if !f.sound[n].Load() && len(want[len(want)-1]) > 0 {
				t.Fatalf("block %d was served unverified", n)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestFutureFormats wants files of later versions to be told from damage, and
// nothing to be worked around then.
func TestFutureFormats(t *testing.T) {
	disk := vfs.NewMem(1)
	s, err := Open(Options{FS: disk, Dir: "c"})
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Create(nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := w.Append([]byte("manifest"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	c := Catalog{Spaces: []Entry{{Space: "tests", Manifest: r, Files: []FileID{w.ID()}}}}
	for range 2 {
		if _, err := s.Commit(c); err != nil {
			t.Fatal(err)
		}
	}
	b := image(w.ID(), []byte("manifest"))
	b[len(b)-trailerSize+7]++
	put(t, disk, path.Join("c", dataName(w.ID())), seal(b))
	var v *VersionError
	if _, err := s.File(w.ID()); !errors.As(err, &v) || v.Version != 2 {
		t.Fatalf("a data file of the future: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	body := []byte("not even JSON")
	put(t, disk, path.Join("c", catalogName(2)), append(headerLine(2, body), body...))
	if _, err := Open(Options{FS: disk, Dir: "c"}); !errors.As(err, &v) || v.Version != 2 {
		t.Fatalf("a catalog of the future: %v", err)
	}
	report, err := VerifyDir(disk, "c")
	if err != nil || len(report.Damage) != 2 {
		t.Fatalf("report %+v: %v", report, err)
	}
	for _, err := range report.Damage {
		if !errors.As(err, &v) {
			t.Errorf("reported as %v", err)
		}
	}
}

func put(t *testing.T, fsys vfs.FS, name string, b []byte) {
	t.Helper()
	if err := writeFile(fsys, name, b); err != nil {
		t.Fatal(err)
	}
}
