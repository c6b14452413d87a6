package space

import (
	"fmt"
	"math"
	"testing"

	"github.com/engram-stream/engram/service/internal/memory"
)

// What a recall allocates is its answer, and what an observation allocates on
// its way from the queue to being visible is at most one thing.
func TestAllocationBudget(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	for _, threshold := range []int{0, 1 << 30} {
		w := newWorld(Settings{Dimension: 3, Metric: memory.MetricEuclidean, IndexThreshold: threshold, M: 8})
		w.observe(many("a", 2000)...)
		w.indexAll()
		snap := w.Current()
		q := &Question{Vector: []float32{1, 0, 50}, Limit: 10, Now: w.clock.Now()}
		ask := func(floor float32) float64 {
			q.MinSimilarity = floor
			return testing.AllocsPerRun(200, func() {
				if _, err := w.Recall(snap, q); err != nil {
					t.Fatal(err)
				}
			})
		}
		if n := ask(float32(math.Inf(1))); n > 1 {
			t.Errorf("threshold %d: a recall that finds nothing allocates %v times; its answer is one", threshold, n)
		}
	}
	// Scans by code allocate no more.
	v := embedded(7, 128)
	w := scanned(t, memory.MetricCosine, scannedRows, 128, v)
	if by := w.Stats().ScannedBy; by != "1-bit" {
		t.Fatalf("scanned by %q", by)
	}
	coded := &Question{Vector: v(0), Limit: 10, MinSimilarity: float32(math.Inf(1)), Now: w.clock.Now()}
	if n := testing.AllocsPerRun(200, func() {
		if _, err := w.Recall(w.Current(), coded); err != nil {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("a scan by code that finds nothing allocates %v times", n)
	}
	w = newWorld(Settings{Dimension: 3, IndexThreshold: 1 << 30})
	entries := make([]memory.Entry, 500)
	plain := make([]*memory.Observation, 60*len(entries))
	for i := range plain {
		plain[i] = obs(fmt.Sprintf("id-%d", i), 1, 2, float32(i))
	}
	n := testing.AllocsPerRun(50, func() {
		for i := range entries {
			w.seq++
			entries[i] = memory.Entry{Incarnation: 1, Sequence: w.seq, Observation: plain[0]}
			plain = plain[1:]
		}
		b := w.Prepare(entries, nil)
		w.Begin(b)
		w.Apply(b, b.Rows())
		w.Publish(b)
	}) / float64(len(entries))
	if n > 1 {
		t.Errorf("an observation allocates %.2f times", n)
	}
	t.Logf("%.2f allocations an observation", n)
}
