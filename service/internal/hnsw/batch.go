package hnsw

import (
	"runtime"
	"slices"
)

const (
	// batchRows is how many rows are sorted together. Locality hardly grows
	// beyond, and the memory of the order stays small.
	batchRows = 1 << 14
	// firstRows is how many rows a small graph takes at a time: it has to grow
	// before many can be sorted by it.
	firstRows = 1 << 10
	// sortRows is how many rows must come, and be there, for sorting.
	sortRows = 64
)

// arrival is a row of a batch.
type arrival struct {
	cells [3]uint32 // the nearest rows of layers 3, 2 and 1, 0 where there is no such layer
	near  key       // where the search for its neighbours begins; 0 is the entry point
	row   uint32
}

// InsertBatch inserts rows and returns how many of them, from the first, are in
// the graph: all, unless yield, which is called between rows, returned false.
// The others are to be inserted later; some of them may be there already. yield
// nil never stops. It is there to give way to recalls: an insert takes tens of
// microseconds and cannot be interrupted.
//
// Many rows are inserted in an order of their own, near ones after each other,
// so that each finds in the processor's cache what it is compared with. The
// order depends on the rows and the graph alone. It is worth having thousands of
// rows in one call; but one that is stopped while they are sorted, which takes a
// step of yield for each, as inserting does, has done nothing.
func (g *Graph) InsertBatch(rows []uint32, yield func() bool) (done int) {
	g.begin("InsertBatch")
	defer g.inserting.Store(false)
	defer runtime.KeepAlive(g)
	for done < len(rows) {
		part := rows[done:]
		part = part[:min(len(part), batchRows, max(firstRows, 4*g.Len()))]
		if done > 0 && yield != nil && !yield() || !g.insertPart(part, yield) {
			break
		}
		done += len(part)
	}
	for done < len(rows) && g.store.level(rows[done]) >= 0 {
		done++
	}
	return done
}

// insertPart inserts the rows that are not there yet, unless yield tells it to
// stop; then it returns false.
func (g *Graph) insertPart(rows []uint32, yield func() bool) bool {
	order, ok := g.sort(rows, yield)
	if !ok {
		return false
	}
	for i, a := range order {
		if i > 0 && yield != nil && !yield() {
			return false
		}
		g.insert(a.row, a.near)
	}
	return true
}

// sort puts rows into an order in which neighbours are close to each other: that
// of the cells they lie in. A row's cell of a layer is the row of the layer that
// a search passes on its way down, so the order costs nothing: the search for
// neighbours goes on where this one ends. false is as in insertPart.
func (g *Graph) sort(rows []uint32, yield func() bool) (order []arrival, ok bool) {
	order = make([]arrival, 0, len(rows))
	for _, row := range rows {
		if g.store.level(row) < 0 {
			order = append(order, arrival{row: row})
		}
	}
	entry, top := g.entryPoint()
	if len(order) < sortRows || g.Len() < sortRows || top == 0 {
		return order, true
	}
	s := &g.work.scratch
	for i := range order {
		if i > 0 && yield != nil && !yield() {
			return nil, false
		}
		a := &order[i]
		q := g.scorer.QueryOf(a.row)
		s.begin(g.bound.Load(), g.store.baseSlots)
		a.near = makeKey(g.scoreOne(q, entry, s), entry)
		for layer := top; layer > 0; layer-- {
			a.near = g.descend(q, a.near, layer, s)
			if layer <= len(a.cells) {
				a.cells[len(a.cells)-layer] = a.near.row()
			}
		}
	}
	slices.SortStableFunc(order, func(a, b arrival) int { return slices.Compare(a.cells[:], b.cells[:]) })
	return order, true
}
