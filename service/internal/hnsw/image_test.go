package hnsw

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// imageOf writes a graph to memory that is aligned as a mapping is.
func imageOf(t testing.TB, g *Graph) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := g.WriteImage(&out); err != nil {
		t.Fatal(err)
	}
	if out.Len()%imageAlign != 0 {
		t.Fatalf("image of %d bytes: not a multiple of %d", out.Len(), imageAlign)
	}
	return aligned(out.Bytes())
}

func aligned(b []byte) []byte {
	w := make([]uint64, (len(b)+7)/8+1)
	out := unsafe.Slice((*byte)(unsafe.Pointer(&w[0])), len(w)*8)[:len(b):len(b)]
	copy(out, b)
	return out
}

// shape lists what tells graphs apart: entry, bound of searches left aside.
func shape(g *Graph) (out [][]uint32) {
	entry, level := g.entryPoint()
	out = append(out, []uint32{entry, uint32(level), uint32(g.Len())})
	g.rows(func(row uint32, level int) {
		for layer := range level + 1 {
			out = append(out, append([]uint32{row, uint32(layer)}, g.neighbours(row, layer)...))
		}
		if parent, ok := g.store.parent(row); ok {
			out = append(out, []uint32{parent})
		}
	})
	return out
}

func sameShape(a, b *Graph) bool { return slices.EqualFunc(shape(a), shape(b), slices.Equal[[]uint32]) }

// A graph that was written and loaded is the graph it was, and grows as it
// would have grown.
func TestImageRoundTrip(t *testing.T) {
	const more = 300
	for _, tc := range []struct {
		rows, m, gap int
	}{
		{0, 16, 1}, {1, 16, 1}, {2, 4, 1}, {200, 4, 1}, {chunkRows - 1, 4, 1}, {chunkRows, 6, 1},
		{chunkRows + 1, 4, 1}, {2*chunkRows + 100, 4, 1}, // over 1,024 upper blocks: two slices
		{500, 5, 50}, // gaps: seven chunks of few rows
		{3, 16, 3 * chunkRows},
	} {
		t.Run(fmt.Sprintf("%d rows, M %d, gap %d", tc.rows, tc.m, tc.gap), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(4, uint64(tc.rows)))
			f := newFlatScorer(memory.MetricEuclidean, 4, uniform(rng, (tc.rows+more)*tc.gap, 4))
			cfg := Config{M: tc.m, EfConstruction: 16, Seed: 11}
			g := New(cfg, f)
			for i := range tc.rows {
				g.Insert(uint32(i * tc.gap))
			}
			image := imageOf(t, g)
			owner := new(int)
			loaded, err := LoadImage(cfg, f, slices.Clip(image), owner)
			if err != nil {
				t.Fatal(err)
			}
			if err := loaded.Check(); err != nil {
				t.Fatal(err)
			}
			if !sameShape(g, loaded) {
				t.Fatal("the loaded graph is another")
			}
			if again := imageOf(t, loaded); !bytes.Equal(image, again) {
				t.Error("the image of the loaded graph is another")
			}
			shifted := append(make([]byte, 1, len(image)+1), image...)[1:] // not aligned: is copied
			copied, err := LoadImage(cfg, f, shifted, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := range more {
				row := uint32((tc.rows + i) * tc.gap)
				for _, g := range []*Graph{g, loaded, copied} {
					g.Insert(row)
				}
			}
			var s, u Scratch
			for i := range 20 {
				q := f.QueryOf(uint32(i))
				if !slices.Equal(g.Search(q, 10, nil, &s), loaded.Search(q, 10, nil, &u)) {
					t.Fatal("searches differ")
				}
			}
			if !sameShape(g, loaded) || !sameShape(g, copied) {
				t.Error("rows inserted after loading are linked otherwise")
			}
			if err := loaded.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The arrays of full chunks lie in the image, so that an insert is seen there.
func TestLoadedGraphLiesInItsImage(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	f := newFlatScorer(memory.MetricEuclidean, 4, uniform(rng, chunkRows+10, 4))
	cfg := Config{M: 4, EfConstruction: 16}
	g := New(cfg, f)
	for i := range uint32(chunkRows) {
		g.Insert(i)
	}
	image := imageOf(t, g)
	before := bytes.Clone(image)
	loaded, err := LoadImage(cfg, f, image, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !littleEndian {
		t.Skip("this machine copies images")
	}
	if !bytes.Equal(before, image) {
		t.Error("loading changed the image")
	}
	for i := range uint32(10) {
		loaded.Insert(chunkRows + i)
	}
	changed := 0
	for at := 0; at < len(image); at += 4096 {
		end := min(at+4096, len(image))
		if !bytes.Equal(before[at:end], image[at:end]) {
			changed++
		}
	}
	if changed == 0 || changed > 80 {
		t.Errorf("%d of %d pages changed by 10 inserts", changed, len(image)/4096)
	}
}

func TestLoadImageRefuses(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	f := newFlatScorer(memory.MetricEuclidean, 4, uniform(rng, 500, 4))
	cfg := Config{M: 4, EfConstruction: 16}
	image := imageOf(t, f.build(cfg))
	other := cfg
	other.M = 5
	var mismatch *MismatchError
	if _, err := LoadImage(other, f, image, nil); !errors.As(err, &mismatch) || mismatch.Field != "M" {
		t.Errorf("another M: %v", err)
	}
	var damage *ImageError
	for name, size := range map[string]int{"nothing": 0, "half a header": 30, "header": 64, "half": len(image) / 2, "all but one": len(image) - 1} {
		if _, err := LoadImage(cfg, f, aligned(image[:size]), nil); !errors.As(err, &damage) {
			t.Errorf("%s: %v", name, err)
		} else if f := fault.Of(err); f.Code != fault.DataLoss {
			t.Errorf("%s: %v", name, f.Code)
		}
	}
	// Where the arrays of the only chunk are.
	const levels, rows = 128, 500
	upper, parents, base := levels+4*rows, levels+8*rows, levels+12*rows
	tall := 0 // a row with an upper list
	for image[levels+4*tall] < 2 {
		tall++
	}
	for name, damage := range map[string]func(b []byte){
		"magic":             func(b []byte) { b[0]++ },
		"entry row":         func(b []byte) { b[32]++ },
		"entry level":       func(b []byte) { b[36]++ },
		"length":            func(b []byte) { b[40]++ },
		"bound":             func(b []byte) { b[48]-- },
		"bound over 2³²":    func(b []byte) { b[53]++ },
		"blocks":            func(b []byte) { b[57]++ },
		"chunks listed":     func(b []byte) { b[64]++ },
		"last slice gone":   func(b []byte) { putWord(b, 14, uint32(upperChunk)*8); b[65] = 1 },
		"level":             func(b []byte) { b[levels+4*7] = 99 },
		"row gone":          func(b []byte) { b[levels+4*7] = 0 },
		"upper beyond":      func(b []byte) { b[upper+4*tall+2]++ },
		"parent beyond":     func(b []byte) { b[parents+4*7+2]++ },
		"own parent":        func(b []byte) { putWord(b[parents:], 7, 8) },
		"second root":       func(b []byte) { putWord(b[parents:], 7, 0) },
		"link beyond":       func(b []byte) { b[base+4*8*7+2]++ },
		"link to itself":    func(b []byte) { putWord(b[base:], 8*7, 8) },
		"link twice":        func(b []byte) { putWord(b[base:], 8*7, uint32(b[base+4*8*7+4])|uint32(b[base+4*8*7+5])<<8) },
		"all links lost":    func(b []byte) { clear(b[base+4*8*7 : base+4*8*8]) },
		"one child's owner": func(b []byte) { putWord(b[parents:], 499, uint32(b[base+4*8*499+4])|uint32(b[base+4*8*499+5])<<8) },
	} {
		broken := aligned(image)
		damage(broken)
		if bytes.Equal(broken, image) {
			t.Errorf("%s: nothing is broken", name)
		} else if _, err := LoadImage(cfg, f, broken, nil); err == nil {
			t.Errorf("%s: loaded", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
}

type failingWriter struct{ left int }

var errWriter = errors.New("no room")

func (w *failingWriter) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		return 0, errWriter
	}
	return len(b), nil
}

func TestWriteImageReportsItsWriter(t *testing.T) {
	f := newFlatScorer(memory.MetricDot, 4, uniform(rand.New(rand.NewPCG(4, 4)), 100, 4))
	g := f.build(Config{})
	for _, left := range []int{0, 64, 100, 128, 10_000} {
		if err := g.WriteImage(&failingWriter{left}); !errors.Is(err, errWriter) {
			t.Errorf("%d bytes taken: %v", left, err)
		}
	}
}

// Whatever the bytes, they are refused or make a graph in which all is well.
func FuzzLoadImage(f *testing.F) {
	scorer := newFlatScorer(memory.MetricEuclidean, 2, uniform(rand.New(rand.NewPCG(4, 4)), 1<<13, 2))
	cfg := Config{M: 4, EfConstruction: 8}
	for _, n := range []uint32{0, 1, 2, 30, 100} {
		g := New(cfg, scorer)
		for i := range n {
			g.Insert(i)
		}
		f.Add(imageOf(f, g))
	}
	f.Fuzz(func(t *testing.T, image []byte) {
		g, err := LoadImage(cfg, scorer, aligned(image), nil)
		if err != nil {
			return
		}
		if err := g.Check(); err != nil {
			t.Fatal(err)
		}
		if g.bound.Load() >= 1<<13 {
			return // the scorer has no such rows
		}
		var s Scratch
		if got := g.Search(scorer.QueryOf(0), 1<<13, nil, &s); len(got) != g.Len() {
			t.Fatalf("%d rows found of %d", len(got), g.Len())
		}
		for i := range uint32(20) {
			g.Insert(i * 7)
		}
		if err := g.Check(); err != nil {
			t.Fatal(err)
		}
	})
}
