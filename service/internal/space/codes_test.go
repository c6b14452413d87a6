package space

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/engram-stream/engram/service/internal/memory"
)

// grow adds n rows of a distribution.
func (w *world) grow(n int, v func(i int) []float32) {
	for from := 0; from < n; from += 1000 {
		var batch []*memory.Observation
		for i := from; i < min(n, from+1000); i++ {
			batch = append(batch, obs(fmt.Sprintf("%d", w.Stats().Rows+i-from), v(i)...))
		}
		w.observe(batch...)
	}
}

func TestAGraphIsComparedByCodes(t *testing.T) {
	for metric, bar := range map[memory.Metric]float64{
		memory.MetricCosine: 0.96, memory.MetricEuclidean: 0.96,
		memory.MetricDot: 0.98, // ten seeds gave .999 and more; .85 to .98 before rows had a dome
	} {
		r := rand.New(rand.NewPCG(5, 6))
		normal := func(int) []float32 {
			v := make([]float32, 16)
			for i := range v {
				v[i] = float32(r.NormFloat64()) + 3
			}
			return v
		}
		if testing.Short() && metric != memory.MetricCosine {
			continue // graphs take long to build under the race detector
		}
		t.Run(metric.String(), func(t *testing.T) {
			d := newDisk(t)
			w := newWorld(Settings{Dimension: 16, Metric: metric, IndexThreshold: 0})
			w.grow(codeRows-1, normal)
			w.indexAll()
			if w.table.Load().codes[wideKind].Load() != nil {
				t.Fatal("codes are made of too few rows")
			}
			w.grow(1, normal)
			w.indexAll()
			c := w.table.Load().codes[wideKind].Load()
			if c == nil || c.rows != codeRows || c.fitted != codeRows {
				t.Fatalf("codes of %s", c)
			}
			recallOf := func(w *world) float64 {
				hits := 0
				for range 50 {
					q := &Question{Vector: normal(0), Limit: 10}
					want := names(w.question(t, w.Current(), &Question{Vector: q.Vector, Limit: 10, Exact: true}))
					hits += common(names(w.question(t, w.Current(), q)), want)
				}
				return float64(hits) / 500
			}
			if got := recallOf(w); got < bar {
				t.Errorf("recall@10 is %.3f", got)
			}
			if testing.Short() {
				return
			}
			// Rows are coded as they come, and all anew after much growth.
			w.grow(codeRows, normal)
			w.indexAll()
			if c = w.table.Load().codes[wideKind].Load(); c.rows != 2*codeRows || c.fitted != codeRows {
				t.Fatalf("codes of %d rows, fitted to %d", c.rows, c.fitted)
			}
			w.grow(2*codeRows, normal)
			w.indexAll()
			if c = w.table.Load().codes[wideKind].Load(); c.rows != 4*codeRows || c.fitted != 4*codeRows {
				t.Fatalf("codes of %d rows, fitted to %d", c.rows, c.fitted)
			}
			if got := recallOf(w); got < bar {
				t.Errorf("recall@10 is %.3f", got)
			}
			// After a start they are made again; until then the vectors are compared.
			w.checkpoint(t, d)
			again := w.restored(t, d)
			if err := again.Wake(); err != nil {
				t.Fatal(err)
			}
			if again.WantsIndexing() || !again.WantsIndexWorker() {
				t.Error("rows wait, or no codes are to be made")
			}
			if got := recallOf(again); got < bar {
				t.Errorf("recall@10 is %.3f without codes", got)
			}
			for again.WantsIndexWorker() {
				again.Index(100, func() bool { return true })
			}
			if again.table.Load().codes[wideKind].Load() == nil {
				t.Error("no codes were made")
			}
			if got := recallOf(again); got < bar {
				t.Errorf("recall@10 is %.3f with new codes", got)
			}
		})
	}
}

func common(a, b []string) (n int) {
	in := map[string]bool{}
	for _, x := range a {
		in[x] = true
	}
	for _, x := range b {
		if in[x] {
			n++
		}
	}
	return n
}

// Where codes cannot tell rows apart, the vectors are compared.
func TestCodesThatAreNoGoodAreNotUsed(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	w := newWorld(Settings{Dimension: 2, Metric: memory.MetricEuclidean, IndexThreshold: 0})
	w.grow(codeRows+100, func(i int) []float32 { return []float32{float32(i%2) * 1e6, float32(r.NormFloat64())} })
	w.indexAll()
	if w.table.Load().codes[wideKind].Load() != nil {
		t.Fatal("codes are used that see two points")
	}
	if w.WantsIndexWorker() {
		t.Fatal("they are to be made again at once")
	}
	q := &Question{Vector: []float32{1e6, 0.5}, Limit: 10}
	found := names(w.question(t, w.Current(), q))
	q.Exact = true
	if n := common(found, names(w.question(t, w.Current(), q))); n < 9 {
		t.Errorf("%d of 10 found", n)
	}
}

// A recall that began with codes of before goes on with these.
func TestARecallOutlivesItsCodes(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a graph of 16,000 rows: run without -short")
	}
	w := newWorld(Settings{Dimension: 4, Metric: memory.MetricEuclidean, IndexThreshold: 0})
	r := rand.New(rand.NewPCG(9, 10))
	normal := func(int) []float32 {
		return []float32{float32(r.NormFloat64()), float32(r.NormFloat64()), float32(r.NormFloat64()), float32(r.NormFloat64())}
	}
	w.grow(codeRows, normal)
	w.indexAll()
	tab := w.table.Load()
	old := tab.codes[wideKind].Load()
	q := scorer{tab, memory.MetricEuclidean, 4}.QueryOf(7)
	// Of the rows that come now the codes of before see one corner.
	w.grow(3*codeRows, func(i int) []float32 {
		v := normal(i)
		for j := range v {
			v[j] += 8
		}
		return v
	})
	w.indexAll()
	if tab.codes[wideKind].Load().quantizer == old.quantizer {
		t.Fatal("the codes are those of before")
	}
	out := make([]float32, 3)
	scorer{tab, memory.MetricEuclidean, 4}.ScoreRows(q, []uint32{7, 8, 3 * codeRows}, out)
	if out[0] < out[1] || out[1] < out[2] || out[2] > -1e30 {
		t.Errorf("scores %v", out)
	}
}
