package hnsw

import "slices"

// joinTree gives parents to the rows that lost theirs. What the dead leave of
// the tree is parts, each with a root: but for that of the largest part, all of
// them are given a parent in another part, so that no circle arises and one
// part is left in the end. Links between a row and its former parent stay until
// then, so that the graph is connected throughout. Inserter only.
func (g *Graph) joinTree(r *removal) {
	var roots []uint32
	g.rows(func(row uint32, _ int) {
		r.passed(row)
		if r.dead.has(int(row)) {
			return
		}
		parent, ok := g.store.parent(row)
		if ok && r.dead.has(int(parent)) {
			g.work.former[row] = parent
			g.store.chunk(row).parents[row%chunkRows] = 0
			ok = false
		}
		if !ok {
			roots = append(roots, row)
		}
	})
	if len(roots) == 1 {
		return
	}
	main := g.parts(r)
	for _, row := range roots {
		if row != main {
			r.pause()
			g.rehome(row, main, r)
		}
	}
}

// parts fills the sets and returns the root of the largest, the first of them.
func (g *Graph) parts(r *removal) (main uint32) {
	r.sets = make([]uint32, g.bound.Load())
	g.rows(func(row uint32, _ int) {
		r.passed(row)
		r.sets[row] = row
		if parent, ok := g.store.parent(row); ok {
			r.sets[row] = parent
		}
	})
	sizes := map[uint32]int{}
	g.rows(func(row uint32, _ int) {
		r.passed(row)
		if !r.dead.has(int(row)) {
			sizes[r.find(row)]++
		}
	})
	most := 0
	for root, n := range sizes {
		if n > most || n == most && root < main {
			main, most = root, n
		}
	}
	return main
}

// find returns the root of the part of a row: union–find with path halving
// (R. E. Tarjan and J. van Leeuwen, "Worst-case analysis of set union
// algorithms", J. ACM 31(2), 1984). At first the sets are the tree itself.
func (r *removal) find(row uint32) uint32 {
	for r.sets[row] != row {
		r.sets[row] = r.sets[r.sets[row]]
		row = r.sets[row]
	}
	return row
}

// rehome gives the root of a part a parent in another: the nearest that has room
// of its neighbours and those of the dead among them, else the nearest such row
// that a search finds, else one with room below the nearest row of another
// part, or of the main one.
func (g *Graph) rehome(row, main uint32, r *removal) {
	w := &g.work
	foreign := func(to uint32) bool { return !r.dead.has(int(to)) && r.find(to) != row }
	g.gather(row, 0, r)
	w.found = slices.DeleteFunc(w.found, func(to uint32) bool { return !foreign(to) || !g.hasRoom(to) })
	if len(w.found) > 0 {
		g.scoreAll(row, w.found, &w.list)
		g.fosterTo(row, slices.Max(w.list).row(), r)
		return
	}
	near := g.nearest(row, 0, fosterBreadth, fosterVisits, foreign)
	for _, k := range near {
		if g.hasRoom(k.row()) {
			g.fosterTo(row, k.row(), r)
			return
		}
	}
	below := main
	if len(near) > 0 {
		below = near[0].row()
	}
	g.fosterTo(row, g.roomBelow(below), r)
}

// Breadth of the search for a parent, and how many rows it may score: around
// the root of a large part all are of that part.
const (
	fosterBreadth = 16
	fosterVisits  = 4096
)

// fosterTo makes a row the child of another, with links both ways.
func (g *Graph) fosterTo(row, parent uint32, r *removal) {
	g.store.setParent(row, parent)
	r.sets[row] = r.find(parent)
	if !g.links(row, parent, 0) {
		g.linkBack(row, parent, 0)
	}
	if !g.links(parent, row, 0) {
		g.linkBack(parent, row, 0)
	}
}
