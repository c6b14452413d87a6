package hnsw

import mathbits "math/bits"

// beam is the list of results of a search, best first, which are also the rows
// to go on from. Sorted, it gives the best row not yet expanded and the worst
// one at once, and of two heaps' work, what never comes to the top, it does none.
type beam struct {
	keys []key
	// open has a bit for each position: set where the row is not yet expanded.
	// Bits from len(keys) on say nothing.
	open  []uint64
	first int // no earlier word of open has a bit set
}

// begin empties the beam and makes room for limit rows.
func (b *beam) begin(limit int) {
	if cap(b.keys) < limit {
		b.keys = make([]key, 0, limit)
	}
	b.keys = b.keys[:0]
	// One more than there are positions: what falls off the end passes there.
	if words := limit/64 + 1; cap(b.open) < words {
		b.open = make([]uint64, words)
	} else {
		b.open = b.open[:words]
		clear(b.open)
	}
	b.first = 0
}

// insert puts a key in its place, open. A beam of limit rows loses its worst,
// which must not be better than k.
func (b *beam) insert(k key, limit int) {
	keys, last := b.keys, len(b.keys)
	if last == limit {
		last--
	} else {
		keys = keys[:last+1]
		b.keys = keys
	}
	// The step of this search has no branch to be mispredicted.
	at, n := 0, last
	for n > 0 {
		half := n / 2
		next := at + half + 1
		rest := n - half - 1
		better := keys[at+half] > k
		if better {
			at = next
		}
		if better {
			half = rest
		}
		n = half
	}
	copy(keys[at+1:last+1], keys[at:last])
	keys[at] = k

	word := at / 64
	b.first = min(b.first, word)
	bit := uint64(1) << (at % 64)
	x := b.open[word]
	b.open[word] = x&(bit-1) | bit | x&^(bit-1)<<1
	for carry := x >> 63; word < last/64; {
		word++
		x = b.open[word]
		b.open[word] = x<<1 | carry
		carry = x >> 63
	}
}

// best is the position of the best open row, −1 when there is none.
func (b *beam) best() int {
	for ; b.first < len(b.open); b.first++ {
		if x := b.open[b.first]; x != 0 {
			if at := b.first*64 + mathbits.TrailingZeros64(x); at < len(b.keys) {
				return at
			}
			return -1
		}
	}
	return -1
}

// close marks the row at a position as expanded.
func (b *beam) close(at int) { b.open[at/64] &^= 1 << (at % 64) }

// worst is what a key must exceed to be among limit rows: 0 if there are fewer.
func (b *beam) worst(limit int) key {
	if len(b.keys) < limit {
		return 0
	}
	return b.keys[limit-1]
}
