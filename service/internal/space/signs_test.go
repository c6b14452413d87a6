package space

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/memory"
)

// embedded draws vectors as models give them: clusters, and few directions that
// matter.
func embedded(seed uint64, dim int) func(int) []float32 {
	const clusters, rank = 60, 16
	r := rand.New(rand.NewPCG(seed, 1))
	draw := func(n int, scale float64) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(scale * r.NormFloat64())
		}
		return v
	}
	directions, centres := draw(dim*rank, 1/math.Sqrt(float64(dim))), draw(clusters*rank, 1)
	return func(int) []float32 {
		c := r.IntN(clusters)
		z, v := draw(rank, 0.6), draw(dim, 0.6/math.Sqrt(float64(dim)))
		for i := range v {
			for j := range z {
				v[i] += directions[i*rank+j] * (centres[c*rank+j] + z[j])
			}
		}
		return v
	}
}

// codeAll lets the index worker do all there is to do.
func (w *world) codeAll() {
	for w.WantsIndexWorker() {
		w.Index(1000, func() bool { return true })
	}
}

// scanned is a world without a graph that has codes.
func scanned(t *testing.T, metric memory.Metric, n, dim int, v func(int) []float32) *world {
	t.Helper()
	w := newWorld(Settings{Dimension: dim, Metric: metric, IndexThreshold: 1 << 30})
	w.grow(n, v)
	w.codeAll()
	return w
}

// recallAt10 compares with exact search.
func recallAt10(t *testing.T, w *world, v func(int) []float32, f *filter.Predicate) float64 {
	t.Helper()
	const asks = 50
	hits := 0
	for i := range asks {
		q := &Question{Vector: v(i), Limit: 10, Filter: f}
		got := names(w.question(t, w.Current(), q))
		q.Exact = true
		hits += common(got, names(w.question(t, w.Current(), q)))
	}
	return float64(hits) / (10 * asks)
}

func TestAScanGoesByOneBit(t *testing.T) {
	for _, metric := range []memory.Metric{memory.MetricCosine, memory.MetricEuclidean, memory.MetricDot} {
		if testing.Short() && metric != memory.MetricCosine {
			continue
		}
		t.Run(metric.String(), func(t *testing.T) {
			v := embedded(1, 256)
			w := scanned(t, metric, scannedRows, 256, v)
			st := w.Stats()
			if st.ScannedBy != "1-bit" || st.CodeRecall < 0.98 {
				t.Fatalf("scanned by %q with recall %.3f", st.ScannedBy, st.CodeRecall)
			}
			if got := recallAt10(t, w, v, nil); got < 0.97 {
				t.Errorf("recall@10 is %.3f", got)
			}
			c := w.table.Load().codes[signKind].Load()
			t.Logf("%d candidates, recall %.3f", c.width, c.recall)
			// Rows that have no code yet are found beside those that have.
			w.grow(codeLag-1, v)
			if w.WantsIndexWorker() {
				t.Error("so few rows are worth a code")
			}
			sn := w.Current()
			for _, row := range []uint32{5, uint32(sn.rows - 1)} {
				cue := sn.view.vec(row, sn.dim)
				exact := w.question(t, sn, &Question{Vector: cue, Limit: 3, Exact: true})
				got := w.question(t, sn, &Question{Vector: cue, Limit: 3})
				mustEqual(t, "what is nearest to a row", names(got)[0], names(exact)[0])
				mustEqual(t, "its similarity", got[0].Similarity, exact[0].Similarity)
			}
			w.grow(1, v)
			w.codeAll()
			if c := w.table.Load().codes[signKind].Load(); c.rows != w.Current().rows {
				t.Errorf("%d of %d rows have a code", c.rows, w.Current().rows)
			}
		})
	}
}

// What a scan by code returns is what its snapshot has: nothing that is dead,
// expired, newer or kept out by the filter.
func TestAScanByCodeSeesItsSnapshot(t *testing.T) {
	v := embedded(2, 128)
	w := newWorld(Settings{Dimension: 128, Metric: memory.MetricCosine, IndexThreshold: 1 << 30})
	cue := v(0)
	near := func(id string, by float32) *memory.Observation {
		x := append([]float32(nil), cue...)
		x[3] += by
		return obs(id, x...)
	}
	dying, expiring := near("dying", 0), near("expiring", 0.02)
	expiring.ExpiresAt = epoch.Add(time.Minute)
	w.observe(dying, expiring)
	w.grow(scannedRows, func(i int) []float32 { return v(i) })
	before := w.Current()
	late := near("late", 0.05)
	w.observe(late)
	w.grow(codeLag, v)
	w.codeAll()
	if by := w.Stats().ScannedBy; by == "" {
		t.Fatal("no codes")
	}
	first := func(sn *Snapshot, now time.Time) string {
		return names(w.question(t, sn, &Question{Vector: cue, Limit: 1, Now: now}))[0]
	}
	mustEqual(t, "the nearest", first(w.Current(), epoch), "dying")
	w.forget("dying")
	mustEqual(t, "the nearest when it is forgotten", first(w.Current(), epoch), "expiring")
	mustEqual(t, "the nearest when that has expired", first(w.Current(), epoch.Add(time.Hour)), "late")
	if got := first(before, epoch.Add(time.Hour)); got == "late" {
		t.Error("a snapshot returns what came after it")
	}
}

func TestAMaskIsScannedByCode(t *testing.T) {
	v := embedded(3, 256)
	w := newWorld(Settings{Dimension: 256, Metric: memory.MetricCosine, IndexThreshold: 1 << 30})
	tagged := func(n int) {
		var batch []*memory.Observation
		for i := range n {
			o := obs(fmt.Sprintf("%d", w.Stats().Rows+i), v(i)...)
			o.Metadata = map[string]any{"parity": []string{"even", "odd"}[i%2]}
			batch = append(batch, o)
		}
		w.observe(batch...)
	}
	tagged(scannedRows)
	w.codeAll()
	tagged(100) // without codes
	if by := w.Stats().ScannedBy; by != "1-bit" {
		t.Fatalf("scanned by %q", by)
	}
	f := predicate(t, filter.Expr{All: []filter.Clause{{Key: "metadata.parity", Op: filter.Equals, Values: []any{"odd"}}}})
	if got := recallAt10(t, w, v, f); got < 0.97 {
		t.Errorf("recall@10 is %.3f", got)
	}
	sn := w.Current()
	last := uint32(sn.rows - 1) // an odd one
	got := w.question(t, sn, &Question{Vector: sn.view.vec(last, sn.dim), Limit: 1, Filter: f})
	mustEqual(t, "what is nearest to itself", names(got), []string{fmt.Sprint(last)})
}

// Where signs say too little, scans go by wide codes, and where these do, too,
// by the vectors.
func TestAScanFallsBack(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	// Seven components in eight are the same for all, and the rest are either
	// side of the mean alike: their size is what counts.
	wide := func(int) []float32 {
		v := make([]float32, 32)
		for i := range 4 {
			v[i] = float32(r.NormFloat64())
		}
		return v
	}
	w := scanned(t, memory.MetricEuclidean, scannedRows, 32, wide)
	if st := w.Stats(); st.ScannedBy != "7-bit" || st.CodeRecall < 0.95 {
		t.Errorf("scanned by %q with recall %.3f", st.ScannedBy, st.CodeRecall)
	}
	if got := recallAt10(t, w, wide, nil); got < 0.95 {
		t.Errorf("recall@10 is %.3f", got)
	}
	neither := func(i int) []float32 {
		v := make([]float32, 32)
		v[0], v[1] = float32(i%2)*1e6, float32(r.NormFloat64())
		return v
	}
	w = scanned(t, memory.MetricEuclidean, scannedRows, 32, neither)
	if by := w.Stats().ScannedBy; by != "" {
		t.Errorf("scanned by %q", by)
	}
	if got := recallAt10(t, w, neither, nil); got != 1 {
		t.Errorf("recall@10 is %.3f", got)
	}
}

// Of rows that are alike the oldest are returned, however many there are.
func TestOfEqualRowsTheOldestAreFound(t *testing.T) {
	v := embedded(4, 128)
	w := newWorld(Settings{Dimension: 128, Metric: memory.MetricCosine, IndexThreshold: 1 << 30})
	same := v(0)
	w.grow(scannedRows, func(i int) []float32 {
		if i%16 == 0 {
			return same
		}
		return v(i)
	})
	w.codeAll()
	if by := w.Stats().ScannedBy; by == "" {
		t.Fatal("no codes")
	}
	q := &Question{Vector: same, Limit: 10}
	got := names(w.question(t, w.Current(), q))
	q.Exact = true
	mustEqual(t, "what is found", got, names(w.question(t, w.Current(), q)))
}

// Codes that do when a space has grown stay; others take the place of those that
// do not.
func TestCodesAreCheckedAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("65,536 rows: run without -short")
	}
	v := embedded(5, 64)
	w := scanned(t, memory.MetricEuclidean, scannedRows, 64, v)
	tab := w.table.Load()
	signs, wide := tab.codes[signKind].Load(), tab.codes[wideKind].Load()
	if (signs == nil) == (wide == nil) {
		t.Fatalf("%s, %s", signs, wide)
	}
	kind := wideKind
	if signs != nil {
		kind = signKind
	}
	before := tab.codes[kind].Load()
	w.grow(3*scannedRows, v)
	w.codeAll()
	after := tab.codes[kind].Load()
	if after == nil || after.quantizer != before.quantizer || after.sign != before.sign || after.fitted != 4*scannedRows {
		t.Fatalf("codes of %s", after)
	}
	if got := recallAt10(t, w, v, nil); got < 0.95 {
		t.Errorf("recall@10 is %.3f", got)
	}
}

// Codes that are dropped to spare memory are not missed, and come again.
func TestCodesAreSpared(t *testing.T) {
	v := embedded(6, 128)
	w := newWorld(Settings{Dimension: 128, Metric: memory.MetricCosine, IndexThreshold: 0, M: 8})
	w.grow(codeRows, v)
	w.codeAll()
	before := w.Stats()
	if before.ScannedBy == "" {
		t.Fatal("no codes")
	}
	if freed := w.SpareCodes(true); freed < int64(codeRows*128) {
		t.Errorf("%d bytes freed", freed)
	}
	if w.WantsIndexWorker() {
		t.Error("codes are to be made at once")
	}
	if got := recallAt10(t, w, v, nil); got < 0.9 {
		t.Errorf("recall@10 without codes is %.3f", got)
	}
	w.grow(100, v)
	w.codeAll()
	if w.Current().Unindexed() != 0 {
		t.Error("rows wait for the graph")
	}
	w.SpareCodes(false)
	w.codeAll()
	if by := w.Stats().ScannedBy; by == "" {
		t.Error("no codes were made again")
	}
	if got := recallAt10(t, w, v, nil); got < 0.9 {
		t.Errorf("recall@10 is %.3f", got)
	}
}

// Memory beside the heap is given back when nobody can reach it.
func TestRegionsAreGivenBack(t *testing.T) {
	before := OffHeap()
	r := newRegion(1 << 20)
	r.bytes[len(r.bytes)-1] = 1
	if OffHeap() < before+1<<20 {
		t.Skip("no memory beside the heap on this system")
	}
	runtime.KeepAlive(r)
	for tries := 0; OffHeap() >= before+1<<20; tries++ {
		if tries == 1000 {
			t.Fatal("it is kept")
		}
		runtime.GC()
		runtime.Gosched()
	}
}
