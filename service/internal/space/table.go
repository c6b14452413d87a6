package space

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/hnsw"
	"github.com/engram-stream/engram/service/internal/memory"
)

// table is the part of a space that can be asleep: its rows, and what finds
// them. A snapshot holds the table it was published with, so a reader keeps
// what it began with when the space falls asleep meanwhile.
//
// The writer alone appends; mu guards the maps and is a leaf. indexing is held
// by whoever changes the graph or writes its image: one index worker, or a
// checkpoint. It is taken before mu, and never under it.
type table struct {
	// view is the widest set of columns; ahead of the snapshot's while rows
	// are filled.
	view     atomic.Pointer[view]
	graph    atomic.Pointer[hnsw.Graph]
	index    *filter.Index
	indexing turn
	// wanted counts those who wait for indexing and are not to wait long.
	wanted atomic.Int32
	// codes of each kind are nil as long as there are none that are good enough:
	// then all is compared by the vectors themselves.
	codes [codeKinds]atomic.Pointer[codes]
	// dropped are rows that lose their bytes and left the graph for good: a row
	// number is put into it once. indexing guards them.
	dropped *roaring.Bitmap
	// coming are codes that are not complete or on trial; indexing guards them.
	// unfit is how many rows there were when codes of the kind were last found
	// not good enough. frugal says that none are to be made.
	coming [codeKinds]*coding
	// dome is how rows are compared with each other by their vectors under the
	// dot product; indexing guards it.
	dome   dome
	unfit  [codeKinds]atomic.Int64
	frugal atomic.Bool

	mu sync.RWMutex
	// known finds the rows of the checkpoint, ids those that are newer. An id
	// in both stands for the newer row.
	known       idTable
	ids         newIDs
	replaced    map[memory.ObservationID][]uint32 // rows that ids stood for before they were replaced, rising
	quarantined map[uint32]string

	// stored says where the chunks of the checkpoint lie; the checkpointer's
	// own.
	stored stored
	// zeros are the vectors of all chunks of which nothing is left.
	zeros []float32
}

func newTable() *table {
	t := &table{
		ids:         makeNewIDs(),
		replaced:    map[memory.ObservationID][]uint32{},
		quarantined: map[uint32]string{},
		index:       filter.NewIndex(),
		dropped:     roaring.New(),
		indexing:    newTurn(),
	}
	t.view.Store(&view{})
	return t
}

// lockIndexing takes indexing; an index worker that has it gives it back soon.
func (t *table) lockIndexing() {
	t.wanted.Add(1)
	t.indexing.Lock()
	t.wanted.Add(-1)
}

// rowOf finds the row an id stands for now. The caller holds mu, or is the
// writer.
func (t *table) rowOf(id memory.ObservationID) (uint32, bool) {
	v := t.view.Load()
	defer runtime.KeepAlive(v)
	has := func(row uint32) bool { return memory.RecordHasID(v.record(row), id) }
	if row, ok := t.ids.find(id, has); ok {
		return row, true
	}
	return t.known.find(id, func(row uint32) bool { return has(row) && t.holds(v, row) })
}

// idOf is the id in a row's record. The caller holds mu, or is the writer.
func (t *table) idOf(row uint32) memory.ObservationID {
	v := t.view.Load()
	defer runtime.KeepAlive(v)
	id, _ := memory.RecordID(v.record(row))
	return id
}

// holds reports whether a row stands for its id: nothing replaced it and
// nobody forgot it. The caller holds mu, or is the writer.
func (t *table) holds(v *view, row uint32) bool {
	if v.death(row).Load() == 0 {
		return true
	}
	_, kept := t.quarantined[row]
	return kept
}

// condemn takes a row out of every recall and remembers why; false if it was
// out already.
func (t *table) condemn(row uint32, reason string) bool {
	t.view.Load().death(row).Store(gone)
	t.mu.Lock()
	defer t.mu.Unlock()
	_, already := t.quarantined[row]
	t.quarantined[row] = reason
	return !already
}

// scorer is what the graph compares rows with. It always looks at the widest
// view, since the graph may be ahead of a reader's snapshot.
type scorer struct {
	table  *table
	metric memory.Metric
	dim    int
}
