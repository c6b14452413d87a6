package space

import (
	"fmt"
	"testing"

	"github.com/engram-stream/engram/service/internal/memory"
)

// BenchmarkScan compares, in one run, a scan of a space by 1-bit codes, 7-bit
// codes and vectors, with what each finds of the ten nearest. Each is of the
// same rows, one recall after the other; a vector scan is exact.
//
//	go test -run - -bench Scan ./service/internal/space
func BenchmarkScan(b *testing.B) {
	for _, set := range []struct{ rows, dim int }{{100_000, 384}, {50_000, 768}} {
		v := embedded(9, set.dim)
		w := newWorld(Settings{Dimension: set.dim, Metric: memory.MetricCosine, IndexThreshold: 1 << 30})
		w.grow(set.rows, v)
		sn, tab := w.Current(), w.table.Load()
		var made [codeKinds]*codes
		for kind := range codeKinds {
			for tab.codes[kind].Load() == nil && tab.unfit[kind].Load() == 0 {
				tab.makeKind(kind, sn, memory.MetricCosine, func() bool { return true })
			}
			made[kind] = tab.codes[kind].Load()
			tab.codes[kind].Store(nil)
		}
		cues := make([][]float32, 64)
		best := make([][]string, len(cues))
		for i := range cues {
			cues[i] = v(i)
			best[i] = names(w.question(b, sn, &Question{Vector: cues[i], Limit: 10, Exact: true}))
		}
		perRow := map[string]float64{}
		for _, way := range []struct {
			name  string
			codes *codes
		}{{"f32", nil}, {"7-bit", made[wideKind]}, {"1-bit", made[signKind]}} {
			b.Run(fmt.Sprintf("%dx%d/%s", set.rows, set.dim, way.name), func(b *testing.B) {
				if way.codes == nil && way.name != "f32" {
					b.Skip("these codes are not good enough here")
				}
				for kind := range codeKinds {
					tab.codes[kind].Store(nil)
				}
				if c := way.codes; c != nil {
					tab.codes[c.kind].Store(c)
				}
				hits, asked := 0, 0
				for b.Loop() {
					i := asked % len(cues)
					hits += common(names(w.question(b, sn, &Question{Vector: cues[i], Limit: 10})), best[i])
					asked++
				}
				perRow[way.name] = float64(b.Elapsed().Nanoseconds()) / float64(asked) / float64(set.rows)
				b.ReportMetric(perRow[way.name], "ns/row")
				b.ReportMetric(float64(hits)/float64(10*asked), "recall@10")
				if base := perRow["f32"]; base > 0 {
					b.ReportMetric(base/perRow[way.name], "×f32")
				}
			})
		}
	}
}
