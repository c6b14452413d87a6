package checkpoint

import (
	"bytes"
	"errors"
	"os"
	"path"
	"runtime"
	"testing"
)

// TestParallel verifies a section of many blocks by several goroutines, and
// wants the first damage of two.
func TestParallel(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	const id = 1
	data := make([]byte, 20*BlockSize-headerSize)
	b := image(id, data)
	foot, err := readFooter(bytes.NewReader(b), "f", id, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	whole := Ref{File: id, Offset: headerSize, Length: uint64(len(data))}
	b[17*BlockSize] ^= 1
	b[9*BlockSize+3] ^= 1
	f := newFile("f", foot, nil, b[:foot.data])
	for range 20 {
		_, err := f.Section(whole)
		var d *DamageError
		if !errors.As(err, &d) || d.Offset != 9*BlockSize {
			t.Fatalf("section: %v", err)
		}
	}
	b[17*BlockSize] ^= 1
	b[9*BlockSize+3] ^= 1
	if got, err := f.Section(whole); err != nil || !bytes.Equal(got, data) {
		t.Fatal(err)
	}
	for n := range f.sound {
		if !f.sound[n].Load() {
			t.Fatalf("block %d was served unverified", n)
		}
	}
	// Verified once: from here on it is memory.
	b[9*BlockSize+3] ^= 1
	if _, err := f.Section(whole); err != nil {
		t.Fatalf("verified again: %v", err)
	}
}

// TestOneAfterTheOther verifies a section block by block, each once, up to the
// first that is damaged.
func TestOneAfterTheOther(t *testing.T) {
	const id = 1
	data := make([]byte, 6*BlockSize-headerSize)
	b := image(id, data)
	foot, err := readFooter(bytes.NewReader(b), "f", id, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	f, calls := newFile("f", foot, nil, b[:foot.data]), 0
	verify := func(offset, length uint64) (int, error) {
		calls = 0
		err := f.Verify(Ref{File: id, Offset: offset, Length: length}, func() { calls++ })
		return calls, err
	}
	b[4*BlockSize] ^= 1
	var d *DamageError
	if n, err := verify(headerSize, 2*BlockSize); n != 3 || err != nil {
		t.Errorf("three blocks: %d verified, %v", n, err)
	}
	if n, err := verify(headerSize, uint64(len(data))); n != 1 || !errors.As(err, &d) || d.Offset != 4*BlockSize {
		t.Errorf("up to the damage: %d verified, %v", n, err)
	}
	b[4*BlockSize] ^= 1
	if n, err := verify(headerSize, uint64(len(data))); n != 2 || err != nil {
		t.Errorf("the rest: %d verified, %v", n, err)
	}
	for n := range f.sound {
		if !f.sound[n].Load() {
			t.Errorf("block %d was left out", n)
		}
	}
	if n, err := verify(headerSize, 0); n != 0 || err != nil {
		t.Errorf("nothing: %d verified, %v", n, err)
	}
	if n, err := verify(headerSize, foot.data); n != 0 || !errors.As(err, &d) {
		t.Errorf("beyond the end: %d verified, %v", n, err)
	}
}

// TestCutOffWhileMapped cuts a mapped file off: touching what is gone is a
// fault of the processor, and has to come out as damage.
func TestCutOffWhileMapped(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what a mapping has beyond the end of its file differs")
	}
	dir := t.TempDir()
	s, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Create(nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := w.Append(bytes.Repeat([]byte{1}, 12*BlockSize))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	f, err := s.File(w.ID())
	if err != nil {
		t.Fatal(err)
	}
	name := path.Join(dir, dataName(w.ID()))
	if err := os.Truncate(name, 5*BlockSize); err != nil {
		t.Fatal(err)
	}
	for _, length := range []uint64{6 * BlockSize, r.Length} { // alone and by several
		_, err = f.Section(Ref{File: r.File, Offset: r.Offset, Length: length})
		var d *DamageError
		if !errors.As(err, &d) || d.File != name || d.Offset != 5*BlockSize {
			t.Fatalf("section: %v", err)
		}
	}
	if _, err := f.Section(Ref{File: r.File, Offset: r.Offset, Length: BlockSize}); err != nil {
		t.Fatalf("what is left: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
