package hnsw

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync/atomic"
)

// layout is what the header of an image says, and what follows from it.
type layout struct {
	cfg       Config
	entry     uint64 // as in Graph
	length    uint64
	bound     uint64 // highest row in the graph + 1
	upperNext uint64 // blocks in use, up to the end of the last slice with a living one
	chunks    bits
	slices    bits
}

// layout describes the graph, and the upper blocks that belong to rows in it.
func (g *Graph) layout() (l layout, live bits) {
	l = layout{cfg: g.cfg, entry: g.entry.Load(), length: uint64(g.length.Load())}
	live = newBits(g.store.upperNext)
	last := -1
	g.rows(func(row uint32, level int) {
		l.bound = uint64(row) + 1
		if level > 0 {
			first := int(atomic.LoadUint32(&g.store.chunk(row).upper[row%chunkRows]))
			for i := range level {
				live.add(first + i)
			}
			last = max(last, first/upperChunk)
		}
	})
	l.upperNext = min(uint64(g.store.upperNext), uint64(last+1)*uint64(upperChunk))
	l.chunks, l.slices = newBits(l.chunkCount()), newBits(l.sliceCount())
	g.rows(func(row uint32, _ int) { l.chunks.add(int(row >> chunkShift)) })
	for i := range int(l.upperNext) {
		if live.has(i) {
			l.slices.add(i / upperChunk)
		}
	}
	return l, live
}

// header encodes the header: magic, version, M, EfConstruction, flags, seed,
// entry point, rows, bound, upperNext, blocks of a slice; little endian.
func (l *layout) header() []byte {
	b := append(make([]byte, 0, headerBytes), imageMagic...)
	le := binary.LittleEndian
	b = le.AppendUint32(b, imageVersion)
	b = le.AppendUint32(b, uint32(l.cfg.M))
	b = le.AppendUint32(b, uint32(min(l.cfg.EfConstruction, math.MaxUint32>>1)))
	flags := uint32(0)
	if l.cfg.KeepPruned {
		flags |= flagKeepPruned
	}
	b = le.AppendUint32(b, flags)
	b = le.AppendUint64(b, l.cfg.Seed)
	b = le.AppendUint64(b, l.entry)
	b = le.AppendUint64(b, l.length)
	b = le.AppendUint64(b, l.bound)
	b = le.AppendUint32(b, uint32(l.upperNext))
	return le.AppendUint32(b, upperChunk)
}

// parseLayout decodes the header and what says which parts there are. It
// returns where the parts begin. The image has exactly the size they need.
func parseLayout(cfg Config, image []byte) (l layout, at uint64, err error) {
	wrong := func(offset int, format string, args ...any) (layout, uint64, error) {
		return layout{}, 0, &ImageError{Offset: uint64(offset), Cause: fmt.Errorf(format, args...)}
	}
	if len(image) < headerBytes {
		return wrong(0, "%d bytes, a header has %d", len(image), headerBytes)
	}
	if string(image[:8]) != imageMagic {
		return wrong(0, "it does not begin with %q", imageMagic)
	}
	le := binary.LittleEndian
	if v := le.Uint32(image[8:]); v != imageVersion {
		return layout{}, 0, &MismatchError{Field: "version", Image: v, Asked: imageVersion}
	}
	if m := le.Uint32(image[12:]); m != uint32(cfg.M) {
		return layout{}, 0, &MismatchError{Field: "M", Image: m, Asked: uint32(cfg.M)}
	}
	l = layout{
		cfg:       cfg,
		entry:     le.Uint64(image[32:]),
		length:    le.Uint64(image[40:]),
		bound:     le.Uint64(image[48:]),
		upperNext: uint64(le.Uint32(image[56:])),
	}
	if l.bound > MaxRow+1 {
		return wrong(48, "bound of rows %d, the limit is %d", l.bound, uint64(MaxRow)+1)
	}
	if l.upperNext > math.MaxInt32 {
		return wrong(56, "%d upper blocks, the limit is %d", l.upperNext, math.MaxInt32)
	}
	if n := le.Uint32(image[60:]); n != upperChunk {
		return wrong(60, "%d blocks in a slice, not %d", n, upperChunk)
	}
	// Sizes are computed in 64 bits from numbers below 2³³: nothing overflows.
	chunkBits, sliceBits := uint64(l.chunkCount()+7)/8, uint64(l.sliceCount()+7)/8
	at = headerBytes + chunkBits + sliceBits
	if uint64(len(image)) < at {
		return wrong(headerBytes, "%d bytes, the parts alone are listed in %d", len(image), at)
	}
	l.chunks = image[headerBytes : headerBytes+chunkBits]
	l.slices = image[headerBytes+chunkBits : at]
	if n := l.sliceCount(); n > 0 && !l.slices.has(n-1) {
		// New rows take their blocks in the last slice.
		return wrong(56, "%d upper blocks, the last of them in slice %d, which is not there", l.upperNext, n-1)
	}
	at += padding(at)
	if size := at + l.partBytes(); size != uint64(len(image)) {
		return wrong(headerBytes, "%d bytes, its parts need %d", len(image), size)
	}
	return l, at, nil
}

func (l *layout) chunkCount() int { return int((l.bound + chunkRows - 1) >> chunkShift) }

func (l *layout) sliceCount() int { return int((l.upperNext + upperChunk - 1) / upperChunk) }

// chunkRows is how many rows of a chunk the image has.
func (l *layout) chunkRows(at int) int { return int(min(chunkRows, l.bound-uint64(at)<<chunkShift)) }

// sliceBlocks is how many blocks of a slice the image has.
func (l *layout) sliceBlocks(at int) int {
	return int(min(upperChunk, l.upperNext-uint64(at)*upperChunk))
}

func (l *layout) chunkBytes(at int) uint64 {
	return 4 * uint64(l.chunkRows(at)) * uint64(3+2*l.cfg.M)
}

func (l *layout) sliceBytes(at int) uint64 {
	return 4 * uint64(l.sliceBlocks(at)) * uint64(l.cfg.M)
}

// partBytes is the size of all chunks and slices with their padding.
func (l *layout) partBytes() (n uint64) {
	for at := range l.chunkCount() {
		if l.chunks.has(at) {
			n += l.chunkBytes(at) + padding(l.chunkBytes(at))
		}
	}
	for at := range l.sliceCount() {
		if l.slices.has(at) {
			n += l.sliceBytes(at) + padding(l.sliceBytes(at))
		}
	}
	return n
}
