package hnsw

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vector"
)

// codeScorer scores rows by 7-bit codes, as spaces do.
type codeScorer struct {
	*flatScorer
	quantizer *vector.ScalarQuantizer
	codes     vector.Codes
}

const codeShift = 12

func newCodeScorer(f *flatScorer) *codeScorer {
	c := &codeScorer{flatScorer: f, quantizer: vector.FitScalar(f.metric, f.dim, f.base[:min(len(f.base), 2000*f.dim)])}
	c.codes = vector.Codes{Shift: codeShift, Stride: c.quantizer.Stride()}
	for row := range uint32(f.rows()) {
		if row%(1<<codeShift) == 0 {
			c.codes.Flat = append(c.codes.Flat, vector.NewCodeChunk(1<<codeShift, c.codes.Stride))
		}
		c.quantizer.Encode(c.codes.Row(row), f.row(row), f.invNorms[row])
	}
	return c
}

func (c *codeScorer) QueryOf(row uint32) Query { return Query{Code: c.codes.Row(row)} }

func (c *codeScorer) ScoreRows(q Query, rows []uint32, out []float32) {
	c.quantizer.Estimates(c.codes, nil, q.Code, 0, rows, out)
}

// query is the form of a vector that rows are scored against.
func (c *codeScorer) query(v []float32) Query {
	q := vector.NewQuery(c.metric, v)
	q.Code = make([]byte, c.codes.Stride)
	c.quantizer.Encode(q.Code, v, q.InvNorm)
	return q
}

// embeddings draws n vectors as models give them: clusters of unequal size, few
// directions that matter, and a little of everything else.
func embeddings(rng *rand.Rand, n, dim int) []float32 {
	const clusters, rank, spread, noise = 200, 24, 0.6, 0.3
	directions, centres := make([]float32, dim*rank), make([]float32, clusters*rank)
	for i := range directions {
		directions[i] = float32(rng.NormFloat64() / math.Sqrt(float64(dim)))
	}
	for i := range centres {
		centres[i] = float32(rng.NormFloat64())
	}
	out := make([]float32, 0, n*dim)
	var latent [rank]float32
	for range n {
		u := rng.Float64() // the k-th cluster has a share of about 1/√k
		centre := centres[int(u*u*clusters)*rank:]
		for i := range latent {
			latent[i] = centre[i] + float32(spread*rng.NormFloat64())
		}
		for d := range dim {
			x := float32(noise * spread * math.Sqrt(rank/float64(dim)) * rng.NormFloat64())
			for i, y := range directions[d*rank : (d+1)*rank] {
				x += y * latent[i]
			}
			out = append(out, x)
		}
	}
	return out
}

// cpuSeconds is the processor time of this thread, which others on the machine
// disturb less than the time of day.
func cpuSeconds(b *testing.B) float64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return float64(t.Nano()) / 1e9
}

// BenchmarkCodes builds a graph of 100,000 rows from 7-bit codes and searches
// it, the ten best by float32 of what is found being the answer. It reports
// inserts and, at the breadths that reach recall@10 .95 and .99, queries for a
// second of processor time:
//
//	go test -run '^$' -bench Codes -benchtime 1x ./service/internal/hnsw
func BenchmarkCodes(b *testing.B) {
	for _, dim := range []int{128, 768} {
		const rows, queries, k = 100_000, 1000, 10
		all := embeddings(rand.New(rand.NewPCG(1, 1)), rows+queries, dim)
		f := newFlatScorer(memory.MetricCosine, dim, all[:rows*dim])
		c := newCodeScorer(f)
		asked, truth := make([]Query, queries), make([][]uint32, queries)
		for i := range asked {
			asked[i] = c.query(all[(rows+i)*dim : (rows+i+1)*dim])
			truth[i] = f.exact(asked[i], k, nil)
		}
		for _, by := range []struct{ batch, breadth int }{{1, 0}, {256, 0}, {batchRows, 0}, {batchRows, 48}} {
			b.Run(fmt.Sprintf("dim=%d/batch=%d/narrow=%d", dim, by.batch, by.breadth), func(b *testing.B) {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				for b.Loop() {
					g := New(Config{}, c)
					g.Narrow(by.breadth)
					began := cpuSeconds(b)
					for part := range slices.Chunk(batchOf(rows), by.batch) {
						g.InsertBatch(part, func() bool { return true })
					}
					b.ReportMetric(rows/(cpuSeconds(b)-began), "inserts/cpu-s")
					searchCodes(b, g, c, asked, truth)
				}
			})
		}
	}
}

func searchCodes(b *testing.B, g *Graph, c *codeScorer, asked []Query, truth [][]uint32) {
	targets := []float64{.95, .99}
	var s Scratch
	var rows []uint32
	var scores []float32
	var best []key
	for ef := 10; len(targets) > 0 && ef <= 1000; ef += max(2, ef/8) {
		hits := 0
		began := cpuSeconds(b)
		for i, q := range asked {
			rows = rows[:0]
			for _, found := range g.Search(q, ef, nil, &s) {
				rows = append(rows, found.Row)
			}
			scores = append(scores[:0], make([]float32, len(rows))...)
			c.flatScorer.ScoreRows(q, rows, scores)
			best = best[:0]
			for j, row := range rows {
				best = append(best, makeKey(scores[j], row))
			}
			slices.Sort(best)
			for _, k := range best[max(0, len(best)-len(truth[i])):] {
				if slices.Contains(truth[i], k.row()) {
					hits++
				}
			}
		}
		rate := float64(len(asked)) / (cpuSeconds(b) - began)
		for len(targets) > 0 && float64(hits) >= targets[0]*float64(len(truth)*len(truth[0])) {
			b.ReportMetric(rate, fmt.Sprintf("queries/cpu-s@%.2f", targets[0]))
			b.ReportMetric(float64(ef), fmt.Sprintf("ef@%.2f", targets[0]))
			targets = targets[1:]
		}
	}
	if len(targets) > 0 {
		b.Errorf("recall@10 of %v is not reached", targets)
	}
}
