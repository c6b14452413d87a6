package hnsw

import (
	"runtime"
	"sync/atomic"
)

// Remove takes the rows of the graph for which dead is true out of it and
// returns how many there were. It is the inserter's own; searches go on
// meanwhile, and those that are under way may still meet removed rows: the
// scorer must know these until such searches are over. No list names a removed
// row afterwards, and no search that begins then asks for one.
//
// It is the consolidation of A. Singh et al., "FreshDiskANN: A Fast and Accurate
// Graph-Based ANN Index for Real-Time Similarity Search", arXiv:2105.09613,
// Algorithm 4, in every layer: whoever links to a removed row chooses again
// among its other neighbours and those of that row, by the heuristic of insert.
// It then mends the tree that keeps layer 0 connected. The time is that of one
// pass over all links, and for each row with such links less than that of an
// insert: to remove often a few costs more than seldom many.
//
// dead is called once for each row, in order. The memory of removed rows is
// given back by the Remove after this one, or by a load, for whole chunks of
// 4,096 of them: a search that is under way may need it still. Numbers of
// removed rows should not be inserted again.
func (g *Graph) Remove(dead func(row uint32) bool) (removed int) {
	return g.RemovePausing(dead, func() {})
}

// RemovePausing is Remove that calls pause, which may sleep, between two rows, so
// that a goroutine that removes many need not keep a processor all the time.
func (g *Graph) RemovePausing(dead func(row uint32) bool, pause func()) (removed int) {
	g.begin("Remove")
	defer g.inserting.Store(false)
	defer runtime.KeepAlive(g)
	g.release()
	r := g.sentence(dead, pause)
	switch r.removed {
	case 0:
		return 0
	case g.Len():
		g.entry.Store(0)
	default:
		g.mend(r)
	}
	g.rows(func(row uint32, _ int) {
		if r.dead.has(int(row)) {
			c := g.store.chunk(row)
			c.parents[row%chunkRows] = 0
			atomic.StoreUint32(&c.levels[row%chunkRows], 0)
		}
	})
	g.length.Add(int64(-r.removed))
	return r.removed
}

// removal is what one Remove knows.
type removal struct {
	dead    bits
	removed int
	reach   [maxLevel + 1]int // how many of the others reach each layer
	entry   uint32            // the first of the highest of them
	poor    []place           // lists that chose among too few
	sets    []uint32          // joins the parts of the tree, see find
	pause   func()
}

// passRows is how many rows a pass that does little for each visits, about,
// between two pauses.
const passRows = 512

// passed is called by such a pass for each row.
func (r *removal) passed(row uint32) {
	if row%passRows == 0 {
		r.pause()
	}
}

// place is a list.
type place struct {
	row   uint32
	layer int
}

// sentence asks about every row.
func (g *Graph) sentence(dead func(uint32) bool, pause func()) *removal {
	r := &removal{dead: newBits(int(g.bound.Load())), pause: pause}
	top := -1
	g.rows(func(row uint32, level int) {
		r.passed(row)
		if dead(row) {
			r.dead.add(int(row))
			r.removed++
			return
		}
		for layer := range level + 1 {
			r.reach[layer]++
		}
		if level > top {
			r.entry, top = row, level
		}
	})
	return r
}

// mend makes the graph do without the dead rows, whose own lists stay as they
// are. The tree comes first: a list gives up its links to the dead only when the
// living are held together without them, so that a search that begins at any
// moment finds every part of the graph; what one has begun before the lists give
// them up, and goes on after, it begins anew (see Search).
func (g *Graph) mend(r *removal) {
	g.work.dead, g.work.former = r.dead, map[uint32]uint32{}
	g.joinTree(r)
	g.work.dead, g.work.former = nil, nil
	if entry, _ := g.entryPoint(); r.dead.has(int(entry)) {
		g.setEntryPoint(r.entry, g.store.level(r.entry))
	}
	g.changes.Add(1)
	g.rows(func(row uint32, level int) {
		if r.dead.has(int(row)) {
			return
		}
		r.pause()
		for layer := range level + 1 {
			g.patch(row, layer, r)
		}
	})
	for _, p := range r.poor {
		r.pause()
		g.relink(p.row, p.layer)
	}
}

// release gives back the memory that only rows removed earlier have.
func (g *Graph) release() {
	l, _ := g.layout()
	g.changes.Add(1) // a search may have reached layer 0 at a row that is about to lose its list
	table := append([]*chunk(nil), *g.store.chunks.Load()...)
	for at := range table {
		if !l.chunks.has(at) {
			table[at] = nil
		}
	}
	g.store.chunks.Store(&table)
	uppers := append([][]uint32(nil), *g.store.uppers.Load()...)
	for at := range uppers {
		if !l.slices.has(at) {
			uppers[at] = nil
			// If it is the last, the next row begins another.
			g.store.upperNext = max(g.store.upperNext, (at+1)*upperChunk)
		}
	}
	g.store.uppers.Store(&uppers)
}
