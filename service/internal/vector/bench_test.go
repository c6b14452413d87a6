package vector

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkDot measures one pair, and a gather of 32 rows (a graph node's
// neighbours) that fit the cache; ns/row is what to compare.
func BenchmarkDot(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, set := range availableKernels() {
		for _, dim := range []int{128, 384, 768, 1536} {
			q, base := unaligned(r, dim, 0, draws["normal"]), unaligned(r, 32*dim, 0, draws["normal"])
			rows, out := make([]uint32, 32), make([]float32, 32)
			for i := range rows {
				rows[i] = uint32(r.IntN(32))
			}
			for name, run := range map[string]func(){
				"pair": func() {
					for i := range rows {
						out[i] = Dot(q, base[i*dim:(i+1)*dim])
					}
				},
				"gather":          func() { DotGather(q, base, rows, out) },
				"gatherEuclidean": func() { SquaredEuclideanGather(q, base, rows, out) },
			} {
				b.Run(fmt.Sprintf("%s/%s/%d", set, name, dim), func(b *testing.B) {
					defer func(old kernelSet) { active = old }(active)
					active = set
					for b.Loop() {
						run()
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(rows)), "ns/row")
				})
			}
		}
	}
}
