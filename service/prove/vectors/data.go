package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"unsafe"
)

// The vectors of a data set are in files of raw little-endian rows, so that
// every contestant, in whatever language, reads the same bytes.

// dataset says what to measure on.
type dataset struct {
	name        string
	what        string // for the page
	dim         int
	rows, extra int    // in the index before, and inserted beside recalls
	queries     int    // recalls
	metric      string // ip (of unit vectors: cosine) or l2
	rounds      int
	source      func(s settings, d *dataset) (base, query []float32, err error)
}

// files are a data set on disk.
type files struct{ base, query, truth string }

// nearest is how many neighbours a recall asks for.
const nearest = 10

// datasets lists what is measured; the largest one last, since a run that
// takes too long ends there.
func datasets(quick bool) []*dataset {
	thousand := func(name string, dim, rows, extra, queries, rounds, seed int) *dataset {
		return &dataset{
			name: fmt.Sprintf("%s × %d", name, dim), dim: dim, rows: rows, extra: extra, queries: queries, metric: "ip", rounds: rounds,
			what: "generated: unit vectors in 200 clusters of uneven size, of 24 inner dimensions and noise; cosine",
			source: func(_ settings, d *dataset) ([]float32, []float32, error) {
				g := newGenerator(uint64(seed), d.dim) //nolint:gosec // small
				return g.rows(1, d.rows+d.extra), g.rows(2, d.queries), nil
			},
		}
	}
	sets := []*dataset{
		{name: "SIFT 13.5K × 128", what: "image descriptors; L2", dim: 128, metric: "l2", rounds: 3, source: sift},
		{name: "wine 1.8K × 384", what: "sentence embeddings, unit vectors; cosine", dim: 384, metric: "ip", rounds: 3, source: wine},
	}
	if quick {
		for _, d := range sets {
			d.rounds = 2
		}
		return append(sets,
			thousand("20K", 128, 20_000, 6_000, 500, 2, 1),
			thousand("20K", 768, 20_000, 6_000, 500, 2, 2),
			thousand("40K", 384, 40_000, 8_000, 300, 1, 3))
	}
	return append(sets,
		thousand("100K", 128, 100_000, 20_000, 1000, 3, 1),
		thousand("100K", 768, 100_000, 20_000, 1000, 3, 2),
		thousand("1M", 384, 1_000_000, 40_000, 500, 1, 3))
}

// write makes the files of d below dir, and settles its sizes.
func (d *dataset) write(s settings, dir string) (files, error) {
	base, query, err := d.source(s, d)
	if err != nil {
		return files{}, err
	}
	truth, err := truths(d, base[:d.rows*d.dim], query)
	if err != nil {
		return files{}, err
	}
	f := files{filepath.Join(dir, "base.f32"), filepath.Join(dir, "query.f32"), filepath.Join(dir, "truth.u32")}
	for path, b := range map[string][]byte{f.base: raw(base), f.query: raw(query), f.truth: raw(truth)} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			return files{}, err
		}
	}
	return f, nil
}

// raw is the memory of v. The contestants run on this machine, so its byte
// order is theirs.
func raw[T float32 | uint32](v []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}

// generator makes vectors as embeddings are: x = unit(P(c + 0.6 g) + noise),
// where c is one of 200 centres of 24 dimensions, g is normal, and P leads into
// the full dimension. Low inner dimension is what makes real embeddings
// searchable; plain normal vectors have none.
type generator struct {
	seed       uint64
	dim        int
	project    []float32 // dim × inner
	centres    []float32 // clusters × inner
	cumulative []float64 // of the clusters' shares, 1/√(1+i)
}

const (
	clusters  = 200
	inner     = 24
	spread    = 0.6 // within a cluster; centres have 1
	noise     = 0.3 // share of noise in a row's distance from its centre
	blockRows = 4096
)

func newGenerator(seed uint64, dim int) *generator {
	g := &generator{seed: seed, dim: dim, project: make([]float32, dim*inner), centres: make([]float32, clusters*inner), cumulative: make([]float64, clusters)}
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // data for a measurement
	for i := range g.project {
		g.project[i] = float32(r.NormFloat64() / math.Sqrt(float64(dim)))
	}
	for i := range g.centres {
		g.centres[i] = float32(r.NormFloat64())
	}
	sum := 0.0
	for i := range g.cumulative {
		sum += 1 / math.Sqrt(float64(1+i))
		g.cumulative[i] = sum
	}
	return g
}

// rows makes n rows of a stream; each block has a source of chance of its own,
// so that the result does not depend on how many processors make it.
func (g *generator) rows(stream uint64, n int) []float32 {
	out := make([]float32, n*g.dim)
	var wg sync.WaitGroup
	turn := make(chan struct{}, 2)
	for first := 0; first < n; first += blockRows {
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			r := rand.New(rand.NewPCG(g.seed<<8|stream, uint64(first))) //nolint:gosec // data for a measurement
			for i := first; i < min(first+blockRows, n); i++ {
				g.row(r, out[i*g.dim:(i+1)*g.dim])
			}
		})
	}
	wg.Wait()
	return out
}

func (g *generator) row(r *rand.Rand, to []float32) {
	u, c := r.Float64()*g.cumulative[clusters-1], 0
	for g.cumulative[c] < u {
		c++
	}
	var z [inner]float32
	for j := range z {
		z[j] = g.centres[c*inner+j] + float32(spread*r.NormFloat64())
	}
	deviation := noise * spread * math.Sqrt(inner) / math.Sqrt(float64(g.dim))
	sum := 0.0
	for i := range to {
		v := float32(deviation * r.NormFloat64())
		for j, p := range g.project[i*inner : (i+1)*inner] {
			v += p * z[j]
		}
		to[i] = v
		sum += float64(v) * float64(v)
	}
	scale := float32(1 / math.Sqrt(sum))
	for i := range to {
		to[i] *= scale
	}
}

// sift and wine read real data from the folder of -data, if it is there. A
// tenth of the rows of sift is inserted beside recalls; wine has too few.
func sift(s settings, d *dataset) (base, query []float32, err error) {
	b, err := os.ReadFile(filepath.Join(s.data, "sift128", "sift_u8_15000x128.bin"))
	if err != nil {
		return nil, nil, absent(err, "sift128")
	}
	base = make([]float32, len(b))
	for i := range b {
		base[i] = float32(b[i])
	}
	query, err = floatFile(filepath.Join(s.data, "sift128", "siftsmall_query_f32_100x128.bin"))
	n := len(base) / d.dim
	d.extra, d.queries = n/10, len(query)/d.dim
	d.rows = n - d.extra
	return base, query, err
}

func wine(s settings, d *dataset) (base, query []float32, err error) {
	all, err := floatFile(filepath.Join(s.data, "wine384", "wine_minilm_f32_2000x384.bin"))
	if err != nil {
		return nil, nil, absent(err, "wine384")
	}
	for i := range len(all) / d.dim { // every tenth row is a question, and not in the index
		row := all[i*d.dim : (i+1)*d.dim]
		if i%10 == 0 {
			query = append(query, row...)
		} else {
			base = append(base, row...)
		}
	}
	d.rows, d.extra, d.queries = len(base)/d.dim, 0, len(query)/d.dim
	return base, query, nil
}

func absent(err error, name string) error {
	if os.IsNotExist(err) {
		return fmt.Errorf("no %s below the folder of -data", name)
	}
	return err
}

func floatFile(path string) ([]float32, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out, nil
}
