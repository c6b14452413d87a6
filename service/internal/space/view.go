package space

import (
	"sort"
	"sync/atomic"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vector"
)

// Rows live in chunks of 4,096, one slice per column. The first chunk starts
// small and doubles, so that a space of ten rows does not cost megabytes.
const (
	chunkShift = 12
	chunkRows  = 1 << chunkShift
	chunkMask  = chunkRows - 1
	firstRows  = 16
)

// gone is the death of a row that no snapshot may see: forgotten, retired or
// quarantined. A row that was replaced carries the generation of its
// replacement, which is at least 2.
const gone = 1

// view is the table of columns. Its slices only grow: a reader keeps the view
// it began with, the writer fills rows beyond what is published and swaps in a
// wider view when it runs out of room. A checkpoint swaps in a view some
// chunks of which lie in its files: whoever uses a view keeps it reachable
// until it is done with the bytes it got from it.
type view struct {
	vectors   vector.Chunks // row × dimension; zeros where nothing of a chunk is left
	invNorms  [][]float32   // 1/‖row‖, for cosine
	gens      [][]uint64    // generation of the row, rising
	committed [][]int64     // commit time, Unix nanoseconds, never falling
	expires   [][]int64     // Unix nanoseconds; 0 is never
	deaths    [][]atomic.Uint64
	records   []records
	owners    []any // what keeps a chunk's bytes mapped: a file, or a region; nil for those on the heap
}

// records are those of one chunk: each a slice of its own, or all of them one
// after the other.
type records struct {
	each    [][]byte
	offsets []uint64 // one more than there are records
	flat    []byte
}

// erased reports whether nothing is left of the chunk: its rows are all dead.
func (r *records) erased() bool { return r.each == nil && r.offsets == nil }

func (r *records) at(i uint32) []byte {
	if r.each != nil {
		return r.each[i]
	}
	if r.offsets == nil {
		return nil
	}
	from, to := r.offsets[i], r.offsets[i+1]
	return r.flat[from:to:to]
}

func (v *view) capacity() int {
	if n := len(v.gens); n > 0 {
		return (n-1)<<chunkShift + len(v.gens[n-1])
	}
	return 0
}

// grow returns a view with room for rows rows of dim components; v itself if
// it has it.
func (v *view) grow(rows, dim int) *view {
	if rows <= v.capacity() {
		return v
	}
	w := *v
	w.vectors.Shift = chunkShift
	for w.capacity() < rows {
		if n := w.capacity(); n < chunkRows {
			size := max(firstRows, min(chunkRows, 2*n))
			for size < min(rows, chunkRows) {
				size *= 2
			}
			w = w.withFirst(min(size, chunkRows), dim)
			continue
		}
		w = w.withChunk(newColumns(chunkRows, dim))
	}
	return &w
}

// columns is one chunk of each column.
type columns struct {
	vectors, invNorms []float32
	gens              []uint64
	committed         []int64
	expires           []int64
	deaths            []atomic.Uint64
	records           records
	owner             any
}

func newColumns(rows, dim int) columns {
	vectors, owner := newVectors(rows * dim)
	return columns{
		vectors: vectors, owner: owner, invNorms: make([]float32, rows),
		gens: make([]uint64, rows), committed: make([]int64, rows), expires: make([]int64, rows),
		deaths: make([]atomic.Uint64, rows), records: records{each: make([][]byte, rows)},
	}
}

// chunk gives the columns of a chunk.
func (v *view) chunk(c int) columns {
	return columns{
		vectors: v.vectors.Flat[c], invNorms: v.invNorms[c], gens: v.gens[c], committed: v.committed[c], expires: v.expires[c],
		deaths: v.deaths[c], records: v.records[c], owner: v.owners[c],
	}
}

func (v view) withChunk(c columns) view {
	v.vectors.Shift = chunkShift
	v.vectors.Flat = appended(v.vectors.Flat, c.vectors)
	v.invNorms = appended(v.invNorms, c.invNorms)
	v.gens = appended(v.gens, c.gens)
	v.committed = appended(v.committed, c.committed)
	v.expires = appended(v.expires, c.expires)
	v.deaths = appended(v.deaths, c.deaths)
	v.records = appended(v.records, c.records)
	v.owners = appended(v.owners, c.owner)
	return v
}

// withFirst replaces the first chunk, the only one, by a larger copy.
func (v view) withFirst(rows, dim int) view {
	c := newColumns(rows, dim)
	if len(v.gens) > 0 {
		c.copyFrom(v.chunk(0))
		for i := range v.deaths[0] {
			c.deaths[i].Store(v.deaths[0][i].Load())
		}
	}
	return view{}.withChunk(c)
}

// copyFrom copies all but the deaths.
func (c *columns) copyFrom(o columns) {
	copy(c.vectors, o.vectors)
	copy(c.invNorms, o.invNorms)
	copy(c.gens, o.gens)
	copy(c.committed, o.committed)
	copy(c.expires, o.expires)
	for i := range o.gens {
		c.records.each[i] = o.records.at(uint32(i))
	}
}

// appended is append into a fresh array, since readers hold the old one.
func appended[T any](list []T, x T) []T {
	out := make([]T, len(list)+1)
	copy(out, list)
	out[len(list)] = x
	return out
}

// with returns a view with other columns for some of the first chunks; those
// that are nil stay. Deaths stay, always: they go on being written.
func (v *view) with(chunks []*columns) *view {
	w := view{vectors: vector.Chunks{Shift: chunkShift}}
	for c := range v.gens {
		cols := v.chunk(c)
		if c < len(chunks) && chunks[c] != nil {
			deaths := cols.deaths
			cols = *chunks[c]
			cols.deaths = deaths
		}
		w.vectors.Flat = append(w.vectors.Flat, cols.vectors)
		w.invNorms = append(w.invNorms, cols.invNorms)
		w.gens = append(w.gens, cols.gens)
		w.committed = append(w.committed, cols.committed)
		w.expires = append(w.expires, cols.expires)
		w.deaths = append(w.deaths, cols.deaths)
		w.records = append(w.records, cols.records)
		w.owners = append(w.owners, cols.owner)
	}
	return &w
}

func (v *view) gen(row uint32) memory.Generation {
	return memory.Generation(v.gens[row>>chunkShift][row&chunkMask])
}

func (v *view) commitTime(row uint32) int64 { return v.committed[row>>chunkShift][row&chunkMask] }
func (v *view) expiry(row uint32) int64     { return v.expires[row>>chunkShift][row&chunkMask] }
func (v *view) record(row uint32) []byte    { return v.records[row>>chunkShift].at(row & chunkMask) }
func (v *view) death(row uint32) *atomic.Uint64 {
	return &v.deaths[row>>chunkShift][row&chunkMask]
}

// vec returns the vector of a row; dim is the space's dimension.
func (v *view) vec(row uint32, dim int) []float32 { return v.vectors.Row(row, dim) }

func (v *view) invNorm(row uint32) float32 { return v.invNorms[row>>chunkShift][row&chunkMask] }

// alive reports whether a row is there at generation g.
func (v *view) alive(row uint32, g memory.Generation) bool {
	d := v.death(row).Load()
	return d == 0 || d > uint64(g)
}

// rowsThrough counts the rows, of the first n, whose generation is at most g.
func (v *view) rowsThrough(n int, g memory.Generation) int {
	return sort.Search(n, func(i int) bool { return v.gen(uint32(i)) > g })
}

// rowsCommittedBy counts the rows, of the first n, committed at or before t.
func (v *view) rowsCommittedBy(n int, t int64) int {
	return sort.Search(n, func(i int) bool { return v.commitTime(uint32(i)) > t })
}
