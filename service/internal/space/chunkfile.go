package space

import (
	"encoding/binary"
	"fmt"
	"io"
)

// A chunk in a file: a header of 64 bytes (rows, dimension and flags as
// uint64, the rest zero), then the columns one after the other, each at a
// multiple of 64 bytes: generations, commit times and, unless the chunk is
// erased, expiries, inverse norms, vectors, the offsets of the records (one
// more than there are rows) and the records. All numbers are little-endian.
const (
	chunkHeader = 64
	// chunkErased: every row of it is dead, and nothing is left of them.
	chunkErased = 1
)

// chunkLayout is where the columns of a chunk lie.
type chunkLayout struct {
	gens, committed, expires, invNorms, vectors, offsets, records, end uint64
}

func aligned(n uint64) uint64 { return (n + 63) &^ 63 }

func layoutOf(rows, dim uint64, erased bool) (l chunkLayout) {
	l.gens = chunkHeader
	l.committed = aligned(l.gens + 8*rows)
	l.end = aligned(l.committed + 8*rows)
	if erased {
		return l
	}
	l.expires = l.end
	l.invNorms = aligned(l.expires + 8*rows)
	l.vectors = aligned(l.invNorms + 4*rows)
	l.offsets = aligned(l.vectors + 4*rows*dim)
	l.records = l.offsets + 8*(rows+1)
	l.end = l.records
	return l
}

// writeChunk writes the first n rows of a chunk.
func writeChunk(w io.Writer, c columns, n, dim int, erased bool) error {
	out := &padded{w: w}
	var head [chunkHeader]byte
	binary.LittleEndian.PutUint64(head[0:], uint64(n))
	binary.LittleEndian.PutUint64(head[8:], uint64(dim))
	if erased {
		binary.LittleEndian.PutUint64(head[16:], chunkErased)
	}
	out.write(head[:])
	out.column(bytesOf(c.gens[:n]))
	out.column(bytesOf(c.committed[:n]))
	if erased {
		out.pad()
		return out.err
	}
	out.column(bytesOf(c.expires[:n]))
	out.column(bytesOf(c.invNorms[:n]))
	out.column(bytesOf(c.vectors[:n*dim]))
	offsets := make([]uint64, n+1)
	for i := range n {
		offsets[i+1] = offsets[i] + uint64(len(c.records.at(uint32(i))))
	}
	out.column(bytesOf(offsets))
	if c.records.each == nil && len(c.records.offsets) > n {
		from, to := c.records.offsets[0], c.records.offsets[n]
		out.write(c.records.flat[from:to])
		return out.err
	}
	for i := range n {
		out.write(c.records.at(uint32(i)))
	}
	return out.err
}

// padded writes columns at multiples of 64 bytes.
type padded struct {
	w   io.Writer
	n   uint64
	err error
}

func (p *padded) write(b []byte) {
	if p.err == nil && len(b) > 0 {
		_, p.err = p.w.Write(b)
		p.n += uint64(len(b))
	}
}

func (p *padded) pad() {
	var zero [64]byte
	p.write(zero[:aligned(p.n)-p.n])
}

func (p *padded) column(b []byte) {
	p.pad()
	p.write(b)
}

// readChunk finds the columns of a chunk of n rows in its bytes, which they
// alias, and checks that they are as they have to be. Deaths are the caller's
// to add.
func readChunk(b []byte, n, dim int) (columns, error) {
	if len(b) < chunkHeader {
		return columns{}, fmt.Errorf("a chunk of %d bytes has no header", len(b))
	}
	rows, d, flags := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
	if rows != uint64(n) || d != uint64(dim) || flags > chunkErased {
		return columns{}, fmt.Errorf("a chunk of %d rows and dimension %d (flags %d) where %d and %d are due", rows, d, flags, n, dim)
	}
	l := layoutOf(rows, d, flags == chunkErased)
	if uint64(len(b)) < l.end {
		return columns{}, fmt.Errorf("a chunk of %d rows takes %d bytes; it has %d", n, l.end, len(b))
	}
	c := columns{
		gens:      numbers[uint64](b[l.gens : l.gens+8*rows]),
		committed: numbers[int64](b[l.committed : l.committed+8*rows]),
	}
	for i := 1; i < n; i++ {
		if c.gens[i] <= c.gens[i-1] || c.committed[i] < c.committed[i-1] {
			return columns{}, fmt.Errorf("row %d of a chunk has generation %d at %d after %d at %d", i, c.gens[i], c.committed[i], c.gens[i-1], c.committed[i-1])
		}
	}
	if flags == chunkErased {
		return c, nil
	}
	c.expires = numbers[int64](b[l.expires : l.expires+8*rows])
	c.invNorms = numbers[float32](b[l.invNorms : l.invNorms+4*rows])
	c.vectors = numbers[float32](b[l.vectors : l.vectors+4*rows*d])
	c.records = records{offsets: numbers[uint64](b[l.offsets : l.offsets+8*(rows+1)]), flat: b[l.records:]}
	if o := c.records.offsets; o[0] != 0 || o[n] != uint64(len(c.records.flat)) {
		return columns{}, fmt.Errorf("the records of a chunk reach from %d to %d of %d bytes", o[0], o[n], len(c.records.flat))
	}
	for i := range n {
		if c.records.offsets[i] > c.records.offsets[i+1] {
			return columns{}, fmt.Errorf("record %d of a chunk ends before it begins", i)
		}
	}
	return c, nil
}

// erase returns a copy of the columns without what the rows held that drop
// names.
func (c columns) erase(n, dim int, drop func(i int) bool) columns {
	out := newColumns(n, dim)
	c.gens, c.committed = c.gens[:n], c.committed[:n]
	out.copyFrom(c)
	for i := range n {
		if drop(i) {
			clear(out.vectors[i*dim : (i+1)*dim])
			out.invNorms[i], out.expires[i], out.records.each[i] = 0, 0, nil
		}
	}
	return out
}
