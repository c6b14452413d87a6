package hnsw

import (
	mathbits "math/bits"

	"github.com/engram-stream/engram/service/internal/vector"
)

// beam is the list of results of a search, best first, which are also the rows
// to go on from. Sorted, it gives the best row not yet expanded and the worst
// one at once, and of two heaps' work, what never comes to the top, it does none.
type beam struct {
	limit int
	held  int
	// room has limit places, and what [vector.BestSize] asks for beyond. Behind
	// those that are held are zeros.
	room []key
	// open has a bit for each place: set where the row is not yet expanded. The
	// bits of places that are not held say nothing.
	open []uint64
}

// begin empties the beam and makes room for limit rows.
func (b *beam) begin(limit int) {
	b.limit, b.held = limit, 0
	places, words := vector.BestSize(limit)
	if cap(b.room) < places {
		b.room = make([]key, places)
		b.open = make([]uint64, words)
		return
	}
	b.room, b.open = b.room[:places], b.open[:words]
	clear(b.room)
	clear(b.open)
}

// keys are the rows held, best first.
func (b *beam) keys() []key { return b.room[:b.held] }

// insert puts keys in their places, open. What exceeds the limit falls off.
func (b *beam) insert(more []key) {
	b.held = vector.InsertBest(b.room, b.open, b.held, b.limit, more)
}

// best is the position of the best open row, −1 when there is none.
func (b *beam) best() int {
	for i, x := range b.open {
		if x != 0 {
			if at := i*64 + mathbits.TrailingZeros64(x); at < b.held {
				return at
			}
			break
		}
	}
	return -1
}

// close marks the row at a position as expanded.
func (b *beam) close(at int) { b.open[at/64] &^= 1 << (at % 64) }

// worst is what a key must exceed to be taken: 0 while there is room.
func (b *beam) worst() key { return b.room[b.limit-1] }
