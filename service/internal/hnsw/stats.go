package hnsw

import (
	"runtime"
	"sync/atomic"
)

// Stats describes a graph.
type Stats struct {
	Rows     int
	MaxLevel int // −1 when empty
	// Links counts the directed links of layer 0, UpperLinks those above.
	Links, UpperLinks int
	// Levels[l] is how many rows reach up to layer l and no higher.
	Levels []int
	// Bytes is the memory taken by adjacency, vectors not included.
	Bytes int
}

// Stats walks the whole graph, in time proportional to it. During an insert
// the counts are those of some moment each.
func (g *Graph) Stats() Stats {
	defer runtime.KeepAlive(g)
	s := Stats{MaxLevel: g.MaxLevel()}
	s.Levels = make([]int, s.MaxLevel+1)
	g.rows(func(row uint32, level int) {
		s.Rows++
		for len(s.Levels) <= level {
			s.Levels = append(s.Levels, 0)
		}
		s.Levels[level]++
		s.Links += g.degree(row, 0)
		for layer := 1; layer <= level; layer++ {
			s.UpperLinks += g.degree(row, layer)
		}
	})
	s.Bytes = g.Bytes()
	return s
}

// Bytes is the memory taken by adjacency. It is cheap, unlike Stats.
func (g *Graph) Bytes() int {
	n := 0
	for _, c := range *g.store.chunks.Load() {
		if c != nil {
			n += 4 * (len(c.base) + len(c.levels) + len(c.upper) + len(c.parents))
		}
	}
	for _, u := range *g.store.uppers.Load() {
		n += 4 * len(u)
	}
	return n
}

func (g *Graph) degree(row uint32, layer int) int {
	n := 0
	list := g.store.list(row, layer)
	for i := range list {
		if atomic.LoadUint32(&list[i]) != 0 {
			n++
		}
	}
	return n
}
