package hnsw

import (
	"fmt"
	"io"
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

// fabricated makes a graph of the shape of a real one whose links lead anywhere:
// it takes no vectors, and is the worst case for caches.
func fabricated(rows int) *Graph {
	g := New(Config{}, nil)
	rng := rand.New(rand.NewPCG(1, 1))
	children := make([]int, rows)
	tall := []uint32{}
	put := func(row, to uint32, layer int) {
		list := g.store.list(row, layer)
		for i, link := range list {
			if link == to+1 {
				return
			}
			if link == 0 {
				list[i] = to + 1
				return
			}
		}
	}
	for row := range uint32(rows) {
		level := g.cfg.level(row)
		g.store.place(row, level)
		g.store.publish(row, level)
		g.length.Add(1)
		g.bound.Store(uint64(row) + 1)
		if level > 0 {
			tall = append(tall, row)
		}
		if _, top := g.entryPoint(); level > top {
			g.setEntryPoint(row, level)
		}
		for row > 0 {
			if p := rng.Uint32N(row); children[p] < g.cfg.M/2 {
				children[p]++
				g.store.setParent(row, p)
				put(row, p, 0)
				put(p, row, 0)
				break
			}
		}
	}
	for row := range uint32(rows) {
		for range 12 {
			if to := rng.Uint32N(uint32(rows)); to != row {
				put(row, to, 0)
			}
		}
	}
	for _, row := range tall {
		for range 12 {
			if to := tall[rng.IntN(len(tall))]; to != row {
				put(row, to, 1)
			}
		}
	}
	return g
}

func BenchmarkLoadImage(b *testing.B) {
	g := fabricated(1_000_000)
	image := imageOf(b, g)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := LoadImage(Config{}, nil, image, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(g.Stats().Links)/1e6, "links/row")
}

func BenchmarkWriteImage(b *testing.B) {
	g := fabricated(1_000_000)
	for b.Loop() {
		if err := g.WriteImage(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// What it takes to remove a share of the rows, against building a graph of the
// rest.
func BenchmarkRemove(b *testing.B) {
	const dim = 128
	f := newFlatScorer(memory.MetricCosine, dim, mixture(rand.New(rand.NewPCG(1, 1)), benchRows, dim))
	image := imageOf(b, f.build(Config{}))
	for _, percent := range []uint64{1, 5, 20, 60, 95} {
		dead := func(row uint32) bool { return mix(uint64(row))%100 < percent }
		b.Run(fmt.Sprintf("%d%%/remove", percent), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				g, err := LoadImage(Config{}, f, aligned(image), nil)
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				g.Remove(dead)
			}
		})
		b.Run(fmt.Sprintf("%d%%/rebuild", percent), func(b *testing.B) {
			for b.Loop() {
				g := New(Config{}, f)
				for row := range uint32(benchRows) {
					if !dead(row) {
						g.Insert(row)
					}
				}
			}
		})
	}
}
