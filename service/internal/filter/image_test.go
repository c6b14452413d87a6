package filter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// drawIndex draws an index with rows, crowded and with dropped keys at times.
func drawIndex(t *rapid.T) (*Index, []*memory.Observation) {
	x := NewIndex()
	rows := make([]*memory.Observation, rapid.IntRange(0, 12).Draw(t, "rows"))
	room := rapid.SampledFrom([]int{0, 0, 0, 4, 8}).Draw(t, "room")
	for i := range rows {
		rows[i] = drawObservation(t, i)
		x.Add(uint32(i), rows[i])
	}
	if room > 0 { // fill it up, then add some more
		crowd := map[string]any{}
		for i := len(x.keys); i < MaxIndexedKeys-room; i++ {
			crowd[fmt.Sprint("k", i)] = true
			if len(crowd) == maxIndexedRowLeaves || i == MaxIndexedKeys-room-1 {
				rows = append(rows, &memory.Observation{Metadata: crowd})
				x.Add(uint32(len(rows)-1), rows[len(rows)-1])
				crowd = map[string]any{}
			}
		}
		for range 4 {
			rows = append(rows, drawObservation(t, len(rows)))
			x.Add(uint32(len(rows)-1), rows[len(rows)-1])
		}
	}
	if p := x.keys["metadata.x"]; p != nil && rapid.IntRange(0, 4).Draw(t, "drop") == 0 {
		x.drop(p)
	}
	return x, rows
}

func TestImageRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, rows := drawIndex(t)
		image := x.AppendImage([]byte("before"))
		if !bytes.HasPrefix(image, []byte("before")) {
			t.Fatal("AppendImage does not append")
		}
		image = image[len("before"):]
		loaded, err := LoadIndex(image)
		if err != nil {
			t.Fatal(err)
		}
		kept := bytes.Clone(image)
		for i := range image { // nothing may hang on to it
			image[i] ^= 0x55
		}
		if !bytes.Equal(loaded.AppendImage(nil), kept) {
			t.Fatal("the image of the loaded index is another")
		}
		for range 5 {
			p := drawPredicate(t)
			if err := sameAnswer(x, loaded, p); err != nil {
				t.Fatal(err)
			}
		}
		// Both go on alike.
		o := drawObservation(t, len(rows))
		for _, x := range []*Index{x, loaded} {
			x.Add(uint32(len(rows)), o)
			for i, o := range rows {
				if i%2 == 0 {
					x.Remove(uint32(i), o)
				}
			}
		}
		if !bytes.Equal(x.AppendImage(nil), loaded.AppendImage(nil)) {
			t.Fatal("the loaded index went another way")
		}
	})
}

func drawPredicate(t *rapid.T) *Predicate {
	p, err := Compile(drawExpr(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sameAnswer(a, b *Index, p *Predicate) error {
	rows, exact, ok := a.Candidates(p)
	rows2, exact2, ok2 := b.Candidates(p)
	if exact != exact2 || ok != ok2 || ok && !rows.Equals(rows2) {
		return fmt.Errorf("%v exact %v ok %v, against %v exact %v ok %v", rows, exact, ok, rows2, exact2, ok2)
	}
	return nil
}

// Many rows, so that bitmaps have all the forms there are.
func TestImageOfManyRows(t *testing.T) {
	x := NewIndex()
	observation := func(row uint32) *memory.Observation {
		o := &memory.Observation{Metadata: map[string]any{"all": true, "tenth": float64(row % 10), "unique": float64(row % 5000)}}
		if row%7 != 0 {
			o.Context.Location = fmt.Sprint("room ", row%300)
		}
		return o
	}
	for row := range uint32(100_000) {
		x.Add(row, observation(row))
	}
	for row := uint32(0); row < 5000; row += 20 { // breaks a full container up into runs
		x.Remove(row, observation(row))
	}
	image := x.AppendImage(nil)
	loaded, err := LoadIndex(image)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(image, loaded.AppendImage(nil)) {
		t.Error("the image of the loaded index is another")
	}
	if len(image) > 1<<20 {
		t.Errorf("%d bytes for 100,000 rows", len(image))
	}
	for _, c := range []Clause{eq("metadata.all", true), eq("metadata.tenth", 3.0), exists("metadata.unique", true), eq("context.location", "room 5")} {
		if err := sameAnswer(x, loaded, compile(t, Expr{All: []Clause{c}})); err != nil {
			t.Errorf("%s: %v", c.Key, err)
		}
	}
}

func TestLoadIndexRefuses(t *testing.T) {
	x := NewIndex()
	for row := range uint32(40) {
		x.Add(row, sample)
	}
	image := x.AppendImage(nil)
	for size := range len(image) {
		_, err := LoadIndex(image[:size])
		var damage *ImageError
		if !errors.As(err, &damage) || fault.Of(err).Code != fault.DataLoss {
			t.Fatalf("%d of %d bytes: %v", size, len(image), err)
		}
	}
	if _, err := LoadIndex(append(bytes.Clone(image), 0)); err == nil {
		t.Error("one byte too many: loaded")
	}
	head := func(b ...byte) []byte { return append(append([]byte(imageMagic), imageVersion), b...) }
	const many = 3000
	runs := append([]byte{0x3b, 0x30, 0, 0, 1, 0, 0, 0xff, 0xff, many & 0xff, many >> 8}, make([]byte, 4*many)...)
	for name, b := range map[string][]byte{
		"magic":              append([]byte("engrFltr"), image[8:]...),
		"version":            append(append([]byte(imageMagic), 9), image[9:]...),
		"overflow":           head(2, 0, 0, 0),
		"opaque not in rows": head(0, 1, 5, 1, 6, 0),
		"row over 2³²":       head(0, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0),
		"too many keys":      head(0, 0, 0, 0x81, 0x02),
		"unknown key":        head(0, 1, 5, 0, 1, 3, 'k', 'e', 'y', 1),
		"no key":             head(0, 1, 5, 0, 1, 0, 1),
		"keys fall":          head(0, 1, 5, 0, 2, 10, 'i', 'm', 'p', 'o', 'r', 't', 'a', 'n', 'c', 'e', 1, 2, 'i', 'd', 1),
		"flags":              head(0, 1, 5, 0, 1, 2, 'i', 'd', 32, 1, 5, 0, 0),
		"dropped and long":   head(0, 1, 5, 0, 1, 2, 'i', 'd', 3, 1, 5, 1, 5, 0, 0),
		"key without rows":   head(0, 1, 5, 0, 1, 2, 'i', 'd', 0, 0, 0, 0),
		"value of other row": head(0, 1, 5, 0, 1, 2, 'i', 'd', 0, 1, 5, 1, 1, 's', 1, 6, 0),
		"value twice":        head(0, 1, 5, 0, 1, 2, 'i', 'd', 0, 1, 5, 2, 1, 's', 1, 5, 1, 's', 1, 5, 0),
		"not a number":       head(0, 1, 5, 0, 1, 2, 'i', 'd', 0, 1, 5, 0, 1, 1, 0, 0, 0, 0, 0, 0xf8, 0x7f, 1, 5),
		"minus zero":         head(0, 1, 5, 0, 1, 2, 'i', 'd', 0, 1, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x80, 1, 5),
		"too many runs":      append(binary.AppendUvarint(head(0), 17+uint64(len(runs))), runs...),
		"run over the end":   head(0, 17+15, 0x3b, 0x30, 0, 0, 1, 0, 0, 20, 0, 1, 0, 0xff, 0xff, 20, 0, 0, 0, 0),
		"cut short":          head(0, 17+8, 0x3b, 0x30, 0, 0, 1, 0, 0, 99, 0, 0, 0),
	} {
		if _, err := LoadIndex(b); err == nil {
			t.Errorf("%s: loaded", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
}

// Whatever the bytes, they are refused or make an index that answers within its
// rows and whose image is theirs.
func FuzzLoadIndex(f *testing.F) {
	x := NewIndex()
	f.Add(x.AppendImage(nil))
	for row := range uint32(30) {
		x.Add(row*3000, sample)
		if row == 0 || row == 29 {
			f.Add(x.AppendImage(nil))
		}
	}
	p, err := Compile(Expr{All: []Clause{exists("metadata.year", true)}, Any: []Clause{eq("context.location", "kitchen"), above("metadata.year", 3.0)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, image []byte) {
		x, err := LoadIndex(image)
		if err != nil {
			return
		}
		if rows, _, ok := x.Candidates(p); ok && rows.AndCardinality(x.rows) != rows.GetCardinality() {
			t.Fatal("candidates that were never added")
		}
		again, err := LoadIndex(x.AppendImage(nil))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(x.AppendImage(nil), again.AppendImage(nil)) {
			t.Fatal("two images of one index")
		}
		x.Add(7, sample)
		x.Remove(7, sample)
	})
}

func BenchmarkLoadIndex(b *testing.B) {
	x := NewIndex()
	for row := range uint32(200_000) {
		x.Add(row, &memory.Observation{Context: memory.Context{Location: fmt.Sprint("room ", row%1000)}, Metadata: map[string]any{"user": float64(row % 3000)}})
	}
	image := x.AppendImage(nil)
	b.SetBytes(int64(len(image)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := LoadIndex(image); err != nil {
			b.Fatal(err)
		}
	}
}
