package hnsw

import "sync/atomic"

// adopt gives a row its parent in the tree that keeps layer 0 connected: the
// first of the selected neighbours that has room for a child, else the first
// of all rows found, else, as every tree has rows with room, the first of the
// tree below the nearest. It adds the parent to the selection if it is not in
// it; the row's list has space, being twice as long as a selection.
func (g *Graph) adopt(row uint32) {
	w := &g.work
	for _, k := range w.selected {
		if g.hasRoom(k.row()) {
			g.store.setParent(row, k.row())
			return
		}
	}
	parent, found := uint32(0), false
	for _, k := range w.nearest {
		if g.hasRoom(k.row()) {
			parent, found = k.row(), true
			break
		}
	}
	if !found {
		parent = g.roomBelow(w.nearest[0].row())
	}
	g.store.setParent(row, parent)
	w.selected = append(w.selected, makeKey(0, parent))
}

// hasRoom reports whether a row may have another child: fewer than M/2, so
// that the links to children and parent leave most of a list's 2M to the
// heuristic. Children about to be removed do not count.
func (g *Graph) hasRoom(row uint32) bool {
	children := 0
	for _, link := range g.store.list(row, 0) {
		if link != 0 && !g.work.dead.has(int(link-1)) && g.isParent(row, link-1) {
			children++
		}
	}
	return children < g.cfg.M/2
}

// roomBelow searches breadth first the part of the tree below a row that has
// no room itself. The first leaf ends it, at a depth of log(Len)/log(M/2) in a
// tree whose inner rows are all full.
func (g *Graph) roomBelow(row uint32) uint32 {
	w := &g.work
	w.queue = append(w.queue[:0], row)
	for i := 0; ; i++ {
		if g.hasRoom(w.queue[i]) {
			return w.queue[i]
		}
		list := g.store.list(w.queue[i], 0)
		for j := range list {
			if link := atomic.LoadUint32(&list[j]); link != 0 && !w.dead.has(int(link-1)) && g.isParent(w.queue[i], link-1) {
				w.queue = append(w.queue, link-1)
			}
		}
	}
}

func (g *Graph) isParent(parent, child uint32) bool {
	p, ok := g.store.parent(child)
	return ok && p == parent
}

// isTreeLink reports whether the layer-0 link between two rows is one of those
// that keep the graph connected, or was until now. Inserter only.
func (g *Graph) isTreeLink(a, b uint32) bool {
	return g.isParent(a, b) || g.isParent(b, a) || g.wasParent(a, b) || g.wasParent(b, a)
}

func (g *Graph) wasParent(parent, child uint32) bool {
	p, ok := g.work.former[child]
	return ok && p == parent
}
