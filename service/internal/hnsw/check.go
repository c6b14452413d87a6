package hnsw

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
)

// Check verifies the invariants of the whole graph, in time and memory
// proportional to it, and returns what it found broken:
//
//   - every link leads to another row of the graph that reaches its layer, and
//     no list has a link twice (its length is bounded by its place in memory);
//   - parent and child hold links to each other, and no row has more children
//     than it may;
//   - every row is reachable at layer 0 from the entry point;
//   - the counts agree.
//
// No Insert and no Remove may run meanwhile.
func (g *Graph) Check() error {
	defer runtime.KeepAlive(g)
	entry, top := g.entryPoint()
	if top < 0 {
		if n := g.Len(); n != 0 {
			return fmt.Errorf("hnsw: %d rows and no entry point", n)
		}
		return nil
	}
	if got := g.store.level(entry); got != top {
		return fmt.Errorf("hnsw: entry row %d has level %d, not %d", entry, got, top)
	}
	var errs []error
	rows, roots := 0, 0
	g.rows(func(row uint32, level int) {
		rows++
		if level > top {
			errs = append(errs, fmt.Errorf("row %d: level %d above the entry point's %d", row, level, top))
		}
		for layer := range level + 1 {
			errs = append(errs, g.checkList(row, layer))
		}
		parent, ok := g.store.parent(row)
		switch {
		case !ok:
			roots++
		case !g.linked(row, parent) || !g.linked(parent, row):
			errs = append(errs, fmt.Errorf("row %d: link with parent %d is not in both lists", row, parent))
		}
	})
	if rows != g.Len() || roots != 1 {
		errs = append(errs, fmt.Errorf("%d rows and %d roots, want %d and 1", rows, roots, g.Len()))
	}
	if n := g.reachable(entry); n != rows {
		errs = append(errs, fmt.Errorf("%d of %d rows reachable at layer 0 from row %d", n, rows, entry))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("hnsw: graph is broken: %w", err)
	}
	return nil
}

func (g *Graph) checkList(row uint32, layer int) error {
	seen := make(map[uint32]bool)
	children := 0
	for _, to := range g.neighbours(row, layer) {
		switch {
		case to == row:
			return fmt.Errorf("row %d layer %d: link to itself", row, layer)
		case seen[to]:
			return fmt.Errorf("row %d layer %d: second link to %d", row, layer, to)
		case g.store.level(to) < layer:
			return fmt.Errorf("row %d layer %d: link to %d, which has level %d", row, layer, to, g.store.level(to))
		}
		seen[to] = true
		if layer == 0 && g.isParent(row, to) {
			children++
		}
	}
	if children > g.cfg.M/2 {
		return fmt.Errorf("row %d: %d children, at most %d", row, children, g.cfg.M/2)
	}
	return nil
}

// rows calls f for each row of the graph in order.
func (g *Graph) rows(f func(row uint32, level int)) {
	for i, c := range *g.store.chunks.Load() {
		if c == nil {
			continue
		}
		for j := range c.levels {
			if level := atomic.LoadUint32(&c.levels[j]); level != 0 {
				f(uint32(i<<chunkShift|j), int(level)-1)
			}
		}
	}
}

// neighbours copies the links of a row at a layer.
func (g *Graph) neighbours(row uint32, layer int) []uint32 {
	var out []uint32
	list := g.store.list(row, layer)
	for i := range list {
		if link := atomic.LoadUint32(&list[i]); link != 0 {
			out = append(out, link-1)
		}
	}
	return out
}

func (g *Graph) linked(from, to uint32) bool {
	for _, row := range g.neighbours(from, 0) {
		if row == to {
			return true
		}
	}
	return false
}

func (g *Graph) reachable(from uint32) int {
	seen := map[uint32]bool{from: true}
	queue := []uint32{from}
	for len(queue) > 0 {
		row := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, to := range g.neighbours(row, 0) {
			if !seen[to] {
				seen[to] = true
				queue = append(queue, to)
			}
		}
	}
	return len(seen)
}
