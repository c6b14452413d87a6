package hnsw

import "sync/atomic"

const (
	chunkShift = 12
	chunkRows  = 1 << chunkShift
	// upperChunk is how many blocks an upper slice has.
	upperChunk = chunkRows / 4
)

// chunk is the part of the graph that belongs to chunkRows consecutive rows.
// Its arrays hold no pointers: there is nothing in them to be scanned.
type chunk struct {
	// base holds the layer-0 lists, 2M slots for each row. A slot is 0 when
	// free and row+1 otherwise; free slots may lie between others.
	base []uint32
	// levels holds level+1 of each row; 0 is a row that is not in the graph.
	levels []uint32
	// upper holds the number of the block with a row's layer-1 list. That of
	// layer l is l−1 blocks further on.
	upper []uint32
	// parents holds parent+1 of each row, 0 for the first: the layer-0 link
	// that is never pruned. Only the inserter reads or writes it.
	parents []uint32
}

// store is the adjacency. It grows by whole chunks; the tables of chunks are
// replaced, what they point to never moves. The inserter alone grows it.
type store struct {
	baseSlots  int // 2M
	upperSlots int // M
	chunks     atomic.Pointer[[]*chunk]
	// uppers are slices of upperChunk blocks of M slots, for the one row in M
	// that reaches above layer 0.
	uppers    atomic.Pointer[[][]uint32]
	upperNext int // number of the next free block
}

func (s *store) init(m int) {
	s.baseSlots, s.upperSlots = 2*m, m
	s.chunks.Store(&[]*chunk{})
	s.uppers.Store(&[][]uint32{})
}

// chunk returns the chunk of a row, nil if the table does not reach so far.
func (s *store) chunk(row uint32) *chunk {
	table := *s.chunks.Load()
	if c := int(row >> chunkShift); c < len(table) {
		return table[c]
	}
	return nil
}

// level returns the level of a row, −1 if it is not in the graph.
func (s *store) level(row uint32) int {
	c := s.chunk(row)
	if c == nil {
		return -1
	}
	return int(atomic.LoadUint32(&c.levels[row%chunkRows])) - 1
}

// list returns the slots of a row at a layer that it reaches, to be read and
// written with sync/atomic. It is nil when the memory of a removed row has been
// given back.
func (s *store) list(row uint32, layer int) []uint32 {
	c := s.chunk(row)
	if c == nil {
		return nil
	}
	i := int(row % chunkRows)
	if layer == 0 {
		return c.base[i*s.baseSlots : (i+1)*s.baseSlots]
	}
	block := int(atomic.LoadUint32(&c.upper[i])) + layer - 1
	blocks := (*s.uppers.Load())[block/upperChunk]
	if blocks == nil {
		return nil
	}
	block %= upperChunk
	return blocks[block*s.upperSlots : (block+1)*s.upperSlots]
}

// prefetch asks for the layer-0 list of a row.
func (s *store) prefetch(row uint32) {
	if c := s.chunk(row); c != nil {
		prefetch(&c.base[int(row%chunkRows)*s.baseSlots])
	}
}

// place makes room for a row of the given level. The row is not in the graph
// until its level is stored (see publish).
func (s *store) place(row uint32, level int) {
	c := s.grow(row)
	if level == 0 {
		return
	}
	// A row's blocks lie in one slice; what is left of the last one is lost.
	if room := upperChunk - s.upperNext%upperChunk; room < level {
		s.upperNext += room
	}
	last := (s.upperNext + level - 1) / upperChunk
	if table := *s.uppers.Load(); last >= len(table) {
		grown := append(table[:len(table):len(table)], make([]uint32, upperChunk*s.upperSlots))
		s.uppers.Store(&grown)
	}
	atomic.StoreUint32(&c.upper[row%chunkRows], uint32(s.upperNext))
	s.upperNext += level
}

// grow returns the chunk of a row and makes it if need be. Chunks between the
// last one and this stay nil until a row needs them.
func (s *store) grow(row uint32) *chunk {
	if c := s.chunk(row); c != nil {
		return c
	}
	table := *s.chunks.Load()
	at := int(row >> chunkShift)
	grown := make([]*chunk, max(at+1, len(table)))
	copy(grown, table)
	grown[at] = newChunk(s.baseSlots)
	s.chunks.Store(&grown)
	return grown[at]
}

func newChunk(slots int) *chunk {
	return &chunk{
		base:    make([]uint32, chunkRows*slots),
		levels:  make([]uint32, chunkRows),
		upper:   make([]uint32, chunkRows),
		parents: make([]uint32, chunkRows),
	}
}

// publish marks a placed row as part of the graph. Its lists are complete.
func (s *store) publish(row uint32, level int) {
	atomic.StoreUint32(&s.chunk(row).levels[row%chunkRows], uint32(level+1))
}

// parent returns the parent of a row at layer 0. Inserter only.
func (s *store) parent(row uint32) (uint32, bool) {
	p := s.chunk(row).parents[row%chunkRows]
	return p - 1, p != 0
}

func (s *store) setParent(row, parent uint32) {
	s.chunk(row).parents[row%chunkRows] = parent + 1
}
