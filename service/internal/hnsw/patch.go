package hnsw

import (
	"math"
	"slices"
	"sync/atomic"
)

// patch replaces the dead in a list by candidates found through them. Links that
// stay are not chosen anew: that would thin the lists out from one Remove to the
// next, which FreshDiskANN prevents by a slack factor that this heuristic has
// not. Lists that lose most of their links, or find few candidates, are noted:
// for them the graph is searched, once it is whole (see relink).
func (g *Graph) patch(row uint32, layer int, r *removal) {
	lost, stay := g.gather(row, layer, r)
	if lost == 0 {
		return
	}
	if lost > stay || len(g.work.found) < min(g.cfg.M, r.reach[layer]-1) {
		r.poor = append(r.poor, place{row, layer})
	}
	g.choose(row, layer, stay, len(g.store.list(row, layer)))
}

// gather leaves in w.found the living rows of a list, stay of them, and then
// those that the dead of the list link to: lost of them, or more when there are
// dead among their links and w.found is short.
func (g *Graph) gather(row uint32, layer int, r *removal) (lost, stay int) {
	w := &g.work
	s := &w.scratch
	list := g.store.list(row, layer)
	w.queue, w.found = w.queue[:0], w.found[:0]
	for i := range list {
		switch link := atomic.LoadUint32(&list[i]); {
		case link == 0:
		case r.dead.has(int(link - 1)):
			w.queue = append(w.queue, link-1)
		default:
			w.found = append(w.found, link-1)
		}
	}
	lost, stay = len(w.queue), len(w.found)
	if lost == 0 {
		return lost, stay
	}
	s.begin(g.bound.Load(), g.store.baseSlots)
	s.visit(row)
	for _, known := range w.queue {
		s.visit(known)
	}
	for _, known := range w.found {
		s.visit(known)
	}
	for i := 0; i < len(w.queue) && (i < lost || len(w.found) < g.cfg.M && i < deadLimit); i++ {
		beyond := g.store.list(w.queue[i], layer)
		for j := range beyond {
			if link := atomic.LoadUint32(&beyond[j]); link != 0 && s.visit(link-1) {
				if r.dead.has(int(link - 1)) {
					w.queue = append(w.queue, link-1)
				} else {
					w.found = append(w.found, link-1)
				}
			}
		}
	}
	s.forget()
	return lost, stay
}

// deadLimit is how many dead rows gather goes through for one list.
const deadLimit = 256

// choose makes a list anew of w.found, the first so many of which stay.
func (g *Graph) choose(row uint32, layer, stay, limit int) {
	w := &g.work
	g.scoreAll(row, w.found, &w.list)
	w.pinned = w.pinned[:0]
	for i := range w.found {
		w.pinned = append(w.pinned, i < stay)
	}
	sortPinned(w.list, w.pinned)
	w.kept = g.selectNeighbours(w.list, w.pinned, limit, w.kept[:0])
	replaceList(g.store.list(row, layer), w.kept)
}

// scoreAll scores any number of rows against a row.
func (g *Graph) scoreAll(row uint32, rows []uint32, out *[]key) {
	q := g.scorer.QueryOf(row)
	*out = (*out)[:0]
	for part := range slices.Chunk(rows, g.store.baseSlots) {
		scores := g.work.scores[:len(part)]
		g.scorer.ScoreRows(q, part, scores)
		for i, row := range part {
			*out = append(*out, makeKey(scores[i], row))
		}
	}
}

// sortPinned sorts keys best first, and pinned along with them.
func sortPinned(keys []key, pinned []bool) {
	for i := 1; i < len(keys); i++ {
		k, p := keys[i], pinned[i]
		j := i
		for ; j > 0 && keys[j-1] < k; j-- {
			keys[j], pinned[j] = keys[j-1], pinned[j-1]
		}
		keys[j], pinned[j] = k, p
	}
}

// relink searches neighbours for a row as an insert does, and ties it to them.
func (g *Graph) relink(row uint32, layer int) {
	w := &g.work
	near := g.nearest(row, layer, g.cfg.EfConstruction, math.MaxInt, func(r uint32) bool { return r != row })
	if len(near) == 0 {
		return
	}
	list := g.store.list(row, layer)
	w.found = w.found[:0]
	for i := range list {
		if link := atomic.LoadUint32(&list[i]); link != 0 {
			w.found = append(w.found, link-1)
		}
	}
	stay := len(w.found)
	for _, k := range near {
		if !slices.Contains(w.found[:stay], k.row()) {
			w.found = append(w.found, k.row())
		}
	}
	g.choose(row, layer, stay, max(stay, g.cfg.M))
	for i := range list {
		if link := atomic.LoadUint32(&list[i]); link != 0 && !g.links(link-1, row, layer) {
			g.linkBack(link-1, row, layer)
		}
	}
}

// nearest searches a layer for rows near another, best first. They are valid
// until the next search.
func (g *Graph) nearest(row uint32, layer, ef, limit int, accept func(uint32) bool) []key {
	w := &g.work
	s := &w.scratch
	q := g.scorer.QueryOf(row)
	s.begin(g.bound.Load(), g.store.baseSlots)
	entry, top := g.entryPoint()
	near := makeKey(g.scoreOne(q, entry, s), entry)
	for l := top; l > layer; l-- {
		near = g.descend(q, near, l, s)
	}
	g.searchLayer(q, near, layer, ef, limit, accept, s)
	return s.beam.keys()
}

// links reports whether a list has a link to a row.
func (g *Graph) links(from, to uint32, layer int) bool {
	list := g.store.list(from, layer)
	for i := range list {
		if atomic.LoadUint32(&list[i]) == to+1 {
			return true
		}
	}
	return false
}
