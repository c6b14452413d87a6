package vfs

import (
	"math/rand/v2"
	"slices"
)

// sector is the unit in which a disk writes: a power cut leaves each one old
// or new, in any combination.
const sector = 512

// change is one thing done to a file since its last sync: a write (data at
// off) or, with data nil, a new size.
type change struct {
	off  int64
	data []byte
	size int64
}

// memNode is a file's content, however many names and handles it has. Guarded
// by Mem.mu.
type memNode struct {
	cached  []byte   // what a reader sees
	durable []byte   // what is on stable storage for sure
	pending []change // what leads from durable to cached
}

func (n *memNode) write(p []byte, off int64) {
	c := change{off: off, data: slices.Clone(p)}
	n.cached = c.apply(n.cached)
	n.pending = append(n.pending, c)
}

func (n *memNode) resize(size int64) {
	c := change{size: size}
	n.cached = c.apply(n.cached)
	n.pending = append(n.pending, c)
}

func (n *memNode) sync() {
	for _, c := range n.pending {
		n.durable = c.apply(n.durable)
	}
	n.pending = nil
}

// afterCrash is the content a power cut leaves: every change since the last
// sync is kept, dropped or (a write) torn at sector boundaries.
func (n *memNode) afterCrash(rng *rand.Rand) *memNode {
	b := slices.Clone(n.durable)
	for _, c := range n.pending {
		fate := rng.IntN(3)
		switch {
		case fate == 0:
		case fate == 1 || c.data == nil:
			b = c.apply(b)
		default:
			for part := range c.sectors() {
				if rng.IntN(2) == 0 {
					b = part.apply(b)
				}
			}
		}
	}
	return &memNode{cached: b, durable: slices.Clone(b)}
}

// sectors cuts a write at the boundaries of the file's sectors.
func (c change) sectors() func(yield func(change) bool) {
	return func(yield func(change) bool) {
		off, data := c.off, c.data
		for len(data) > 0 {
			n := min(int64(len(data)), sector-off%sector)
			if !yield(change{off: off, data: data[:n]}) {
				return
			}
			off, data = off+n, data[n:]
		}
	}
}

// apply does the change to b and returns the result, which may share memory
// with b.
func (c change) apply(b []byte) []byte {
	if c.data == nil {
		return resized(b, c.size)
	}
	end := c.off + int64(len(c.data))
	if end > int64(len(b)) {
		b = resized(b, end)
	}
	copy(b[c.off:end], c.data)
	return b
}

func resized(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		clear(b[size:]) // the room is used again when the file grows
		return b[:size]
	}
	old := len(b)
	b = slices.Grow(b, int(size)-old)[:size]
	clear(b[old:])
	return b
}
