package hnsw

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync/atomic"
)

// workspace is the inserter's memory.
type workspace struct {
	scratch  Scratch
	nearest  []key // what the search of a layer found, best first
	selected []key // what the heuristic made of it
	pruning  selection
	list     []key    // a full list and the link that overflows it
	pinned   []bool   // which of list must stay
	kept     []key    // which of list do stay
	rows     []uint32 // list as it is scored
	scores   []float32
	queue    []uint32 // rows of the tree still to be asked for room; dead rows
	found    []uint32 // what a list is made anew of

	// While Remove mends the tree: the rows it removes, and the parents that
	// rows had among them.
	dead   bits
	former map[uint32]uint32
}

func (w *workspace) init(cfg Config) {
	w.rows = make([]uint32, 0, 2*cfg.M+1)
	w.scores = make([]float32, 2*cfg.M+1)
	w.pruning.init(cfg)
}

// Insert links a row into the graph (Algorithm 1); searches find it from some
// moment during the call on. Rows may come in any order, each below or equal
// to MaxRow, and memory is taken for the range they span. A row that is there
// already is left alone. It panics when called concurrently with itself.
func (g *Graph) Insert(row uint32) {
	g.begin("Insert")
	defer g.inserting.Store(false)
	defer runtime.KeepAlive(g)
	g.insert(row, 0)
}

// insert is Insert by whoever has begun. near, if not 0, is a row near the other,
// from where the search of layer 0 begins.
func (g *Graph) insert(row uint32, near key) {
	if row > MaxRow {
		panic(fmt.Sprintf("hnsw: row %d exceeds %d", row, uint32(MaxRow)))
	}
	if g.store.level(row) >= 0 {
		return
	}
	level := g.cfg.level(row)
	g.store.place(row, level)
	g.bound.Store(max(g.bound.Load(), uint64(row)+1))
	entry, top := g.entryPoint()
	if top < 0 {
		g.store.publish(row, level)
		g.length.Add(1)
		g.setEntryPoint(row, level)
		return
	}
	g.link(row, level, entry, top, near)
	g.length.Add(1)
	if level > top {
		g.setEntryPoint(row, level)
	}
}

// begin claims the inserter's part; whoever does stores false when done.
func (g *Graph) begin(call string) {
	if !g.inserting.CompareAndSwap(false, true) {
		panic("hnsw: concurrent " + call)
	}
}

// link finds the neighbours of a placed row and ties it to them: first all of
// the row's own lists, then the row becomes part of the graph, then the links
// to it.
func (g *Graph) link(row uint32, level int, entry uint32, top int, near key) {
	w := &g.work
	s := &w.scratch
	q := g.scorer.QueryOf(row)
	s.begin(g.bound.Load(), g.store.baseSlots)
	layer := top
	if near != 0 && level == 0 {
		layer = 0
	} else {
		near = makeKey(g.scoreOne(q, entry, s), entry)
	}
	for ; layer > level; layer-- {
		near = g.descend(q, near, layer, s)
	}
	for ; layer >= 0; layer-- {
		g.searchLayer(q, near, layer, g.breadth, math.MaxInt, nil, s)
		w.nearest = s.beam.keys()
		near = w.nearest[0]
		w.selected = g.selectNeighbours(w.nearest, nil, g.cfg.M, w.selected[:0])
		if layer == 0 {
			g.adopt(row)
		}
		list := g.store.list(row, layer)
		for i, k := range w.selected {
			atomic.StoreUint32(&list[i], k.row()+1)
		}
	}
	g.store.publish(row, level)
	for layer := min(level, top); layer >= 0; layer-- {
		list := g.store.list(row, layer)
		for i := range list {
			if link := atomic.LoadUint32(&list[i]); link != 0 {
				g.linkBack(link-1, row, layer)
			}
		}
	}
}

// linkBack adds a link from one row to a new one. If the list is full, the
// heuristic chooses what stays (lines 12–16 of Algorithm 1).
func (g *Graph) linkBack(from, to uint32, layer int) {
	w := &g.work
	list := g.store.list(from, layer)
	w.rows = w.rows[:0]
	for i := range list {
		link := atomic.LoadUint32(&list[i])
		if link == 0 {
			atomic.StoreUint32(&list[i], to+1)
			return
		}
		w.rows = append(w.rows, link-1)
	}
	w.rows = append(w.rows, to)
	scores := w.scores[:len(w.rows)]
	g.scorer.ScoreRows(g.scorer.QueryOf(from), w.rows, scores)
	w.list = w.list[:0]
	for i, row := range w.rows {
		w.list = append(w.list, makeKey(scores[i], row))
	}
	slices.Sort(w.list)
	slices.Reverse(w.list)
	w.pinned = w.pinned[:0]
	for _, k := range w.list {
		w.pinned = append(w.pinned, layer == 0 && g.isTreeLink(from, k.row()))
	}
	w.kept = g.selectNeighbours(w.list, w.pinned, len(list), w.kept[:0])
	replaceList(list, w.kept)
}

// replaceList leaves in a list the links that are kept, each where it is, and
// puts the others of them into the slots that are free or become so.
func replaceList(list []uint32, kept []key) {
	next := 0
	for i := range list {
		if has(kept, atomic.LoadUint32(&list[i])) {
			continue
		}
		for next < len(kept) && slices.Contains(list, kept[next].row()+1) {
			next++
		}
		link := uint32(0)
		if next < len(kept) {
			link = kept[next].row() + 1
			next++
		}
		atomic.StoreUint32(&list[i], link)
	}
}

// has reports whether a link is to one of the rows.
func has(rows []key, link uint32) bool {
	return slices.ContainsFunc(rows, func(k key) bool { return k.row()+1 == link })
}
