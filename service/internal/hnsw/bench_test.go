package hnsw

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/engram-stream/engram/service/internal/memory"
)

const benchRows = 10_000

func BenchmarkInsert(b *testing.B) {
	for _, dim := range []int{128, 768} {
		b.Run(fmt.Sprint(dim), func(b *testing.B) {
			f := newFlatScorer(memory.MetricCosine, dim, mixture(rand.New(rand.NewPCG(1, 1)), benchRows, dim))
			inserted := 0
			for b.Loop() {
				inserted += f.build(Config{}).Len()
			}
			b.ReportMetric(float64(inserted)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func BenchmarkSearch(b *testing.B) {
	for _, dim := range []int{128, 768} {
		f := newFlatScorer(memory.MetricCosine, dim, mixture(rand.New(rand.NewPCG(1, 1)), benchRows, dim))
		g := f.build(Config{})
		for _, ef := range []int{40, 100} {
			b.Run(fmt.Sprintf("%d/ef%d", dim, ef), func(b *testing.B) {
				var s Scratch
				row := uint32(0)
				b.ReportAllocs()
				for b.Loop() {
					g.Search(f.QueryOf(row), ef, nil, &s)
					row = (row + 7919) % benchRows
				}
				b.ReportMetric(float64(s.Visits()), "visits")
			})
		}
	}
}
