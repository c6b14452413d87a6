package hnsw

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// invariants proves, without the graph's own Check, what the graph promises of
// itself when nobody changes it: it holds these rows; every list is within its
// bound and leads to others of them that reach the layer; parents and children
// are linked both ways and form one tree over all rows.
func invariants(g *Graph, rows []uint32) error {
	var have []uint32
	levels := map[uint32]int{}
	g.rows(func(row uint32, level int) {
		have = append(have, row)
		levels[row] = level
	})
	if !slices.Equal(have, rows) || g.Len() != len(rows) {
		return fmt.Errorf("it holds %d rows, Len says %d, want %d", len(have), g.Len(), len(rows))
	}
	children := map[uint32][]uint32{}
	var roots []uint32
	for _, row := range rows {
		for layer := range levels[row] + 1 {
			links, bound := g.neighbours(row, layer), g.cfg.M
			if layer == 0 {
				bound = 2 * g.cfg.M
			}
			for i, to := range links {
				if level, ok := levels[to]; !ok || level < layer || to == row || slices.Contains(links[:i], to) {
					return fmt.Errorf("row %d layer %d: %v: link to row %d of level %d, %v", row, layer, links, to, level, ok)
				}
			}
			if len(links) > bound {
				return fmt.Errorf("row %d layer %d: %d links, at most %d", row, layer, len(links), bound)
			}
		}
		parent, ok := g.store.parent(row)
		if !ok {
			roots = append(roots, row)
			continue
		}
		if !g.linked(row, parent) || !g.linked(parent, row) {
			return fmt.Errorf("row %d and its parent %d are not linked both ways", row, parent)
		}
		children[parent] = append(children[parent], row)
	}
	if len(rows) > 0 && len(roots) != 1 {
		return fmt.Errorf("rows without a parent: %v", roots)
	}
	below := roots
	for i := 0; i < len(below); i++ {
		if n := len(children[below[i]]); n > g.cfg.M/2 {
			return fmt.Errorf("row %d has %d children, at most %d", below[i], n, g.cfg.M/2)
		}
		below = append(below, children[below[i]]...)
	}
	if len(below) != len(rows) { // as every row has one parent: the others go round in circles
		return fmt.Errorf("%d of %d rows are below the root", len(below), len(rows))
	}
	return g.Check()
}

// sameAnswers compares two graphs, link by link and by what searches find.
func sameAnswers(a, b *Graph, f *flatScorer, rng *rand.Rand) error {
	if !sameShape(a, b) {
		return fmt.Errorf("the loaded graph is another")
	}
	var s, u Scratch
	for _, ef := range []int{1, 10, f.rows()} {
		q := f.QueryOf(uint32(rng.IntN(f.rows())))
		if x, y := a.Search(q, ef, nil, &s), b.Search(q, ef, nil, &u); !slices.Equal(x, y) {
			return fmt.Errorf("a search of breadth %d finds %v, in the loaded graph %v", ef, x, y)
		}
	}
	return nil
}
