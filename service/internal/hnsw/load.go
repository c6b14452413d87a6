package hnsw

import (
	"encoding/binary"
	"runtime"
	"unsafe"
)

// LoadImage makes the graph that [Graph.WriteImage] wrote, over the same rows.
// Its arrays lie in the image: it must be writable, is changed by inserts and
// removals, and belongs to the graph from now on. A copy-on-write mapping
// serves well, as what is not changed stays shared. owner, if not nil, is kept
// reachable by the graph: a mapping may be undone once it no longer is. An
// image that is not aligned to 4 bytes, or a machine that is not little endian,
// makes LoadImage copy it.
//
// Every number in the image is checked: what is returned passes [Graph.Check].
// Otherwise the error is an [*ImageError], or a [*MismatchError] if the image
// has another M or an unknown version. Breadths, seed and limits are those of
// cfg; with another seed than before, new rows draw other levels. The time is
// that of one pass over the links, on all processors.
func LoadImage(cfg Config, s Scorer, image []byte, owner any) (*Graph, error) {
	defer runtime.KeepAlive(owner)
	g := New(cfg, s)
	l, at, err := parseLayout(g.cfg, image)
	if err != nil {
		return nil, err
	}
	table := make([]*chunk, l.chunkCount())
	offsets := make([]uint64, len(table))
	for i := range table {
		if l.chunks.has(i) {
			offsets[i] = at
			table[i] = loadChunk(words(image[at:at+l.chunkBytes(i)]), l.chunkRows(i), g.store.baseSlots)
			at += l.chunkBytes(i)
			at += padding(at)
		}
	}
	uppers := make([][]uint32, l.sliceCount())
	for i := range uppers {
		if l.slices.has(i) {
			uppers[i] = loadSlice(words(image[at:at+l.sliceBytes(i)]), upperChunk*g.store.upperSlots)
			at += l.sliceBytes(i)
			at += padding(at)
		}
	}
	g.store.chunks.Store(&table)
	g.store.uppers.Store(&uppers)
	g.store.upperNext = int(l.upperNext)
	g.entry.Store(l.entry)
	g.length.Store(int64(l.length))
	g.bound.Store(l.bound)
	g.owner = owner
	if err := g.validate(&l, offsets); err != nil {
		return nil, err
	}
	return g, nil
}

// loadChunk makes a chunk of the first rows of it. Only the last of an image
// has fewer than chunkRows: it moves to memory of its own, to have room for the
// rest.
func loadChunk(w []uint32, rows, slots int) *chunk {
	if rows < chunkRows {
		c := newChunk(slots)
		copy(c.levels, w[:rows])
		copy(c.upper, w[rows:2*rows])
		copy(c.parents, w[2*rows:3*rows])
		copy(c.base, w[3*rows:])
		return c
	}
	return &chunk{
		levels:  w[:rows:rows],
		upper:   w[rows : 2*rows : 2*rows],
		parents: w[2*rows : 3*rows : 3*rows],
		base:    w[3*rows:],
	}
}

// loadSlice is the same for an upper slice of the given size.
func loadSlice(w []uint32, size int) []uint32 {
	if len(w) == size {
		return w
	}
	whole := make([]uint32, size)
	copy(whole, w)
	return whole
}

// littleEndian is the order of bytes of this machine.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// words gives the bytes as words that share their memory, where the machine
// can; else it decodes them.
func words(b []byte) []uint32 {
	if p := unsafe.Pointer(unsafe.SliceData(b)); littleEndian && uintptr(p)%4 == 0 {
		return unsafe.Slice((*uint32)(p), len(b)/4)
	}
	w := make([]uint32, len(b)/4)
	for i := range w {
		w[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return w
}
