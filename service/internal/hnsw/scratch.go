package hnsw

import (
	"slices"
	"sync/atomic"

	"github.com/engram-stream/engram/service/internal/vector"
)

// Scratch is the memory of one search at a time, to be reused: keep them in a
// sync.Pool. The zero value is ready. Once it has grown to what a graph and
// its ef need, a search allocates nothing. It takes a bit for each row of the
// graph, and 8 bytes for each row a search puts on its lists.
type Scratch struct {
	beam       beam
	candidates bestFirst // rows not accepted, to go on from
	found      []Candidate

	visited []uint64 // a bit for each row, at its number plus one
	// touched are the rows whose bit is set: what is to be cleared. The last
	// of them are those about to be scored.
	touched []uint32

	rows   []uint32 // of an upper list
	scores []float32
	better []key // of the rows just scored

	bound     int // rows there can be: no search returns more
	visits    int
	exhausted bool
}

// Visits is how many rows the last search scored.
func (s *Scratch) Visits() int { return s.visits }

// Exhausted reports whether the last search was ended by the visit limit. It
// then may have found fewer than ef rows though there are more, or worse ones
// than there are; a scan of the accepted rows is the remedy.
func (s *Scratch) Exhausted() bool { return s.exhausted }

// begin readies s for a search over rows below bound whose lists hold up to
// slots links.
func (s *Scratch) begin(bound uint64, slots int) {
	if words := vector.MarkWords(bound); words > len(s.visited) {
		s.visited = make([]uint64, words+words/8)
	}
	if cap(s.rows) < slots {
		s.rows = make([]uint32, 0, slots)
		s.scores = make([]float32, 2*slots)
		s.better = make([]key, 2*slots+vector.Spare)
	}
	s.bound = int(bound)
	s.visits = 0
	s.exhausted = false
}

// forget clears the visited set, in time proportional to what is in it.
func (s *Scratch) forget() {
	if len(s.visited) <= 2*len(s.touched) { // a clear writes 32 bytes at a time
		clear(s.visited)
	} else {
		for _, row := range s.touched {
			s.visited[(uint64(row)+1)/64] = 0
		}
	}
	s.touched = s.touched[:0]
}

// visit marks a row and reports whether it was not marked before.
func (s *Scratch) visit(row uint32) bool {
	link := uint64(row) + 1
	word := int(link / 64)
	if word >= len(s.visited) {
		s.grow(link)
	}
	bit := uint64(1) << (link % 64)
	if s.visited[word]&bit != 0 {
		return false
	}
	s.visited[word] |= bit
	s.touched = append(s.touched, row)
	return true
}

// grow makes room for rows that were inserted since the search began.
func (s *Scratch) grow(link uint64) {
	words := max(vector.MarkWords(link), len(s.visited))
	grown := make([]uint64, words+words/8)
	copy(grown, s.visited)
	s.visited = grown
}

// unvisited marks the rows a list links to, and appends to s.touched those that
// were not marked before.
func (s *Scratch) unvisited(list []uint32) {
	for len(list) > 0 {
		n := len(s.touched)
		if cap(s.touched)-n < len(list)+vector.Spare {
			s.touched = slices.Grow(s.touched, len(list)+vector.Spare)
		}
		found, done := vector.UnmarkedLinks(list, s.visited, s.touched[n:cap(s.touched)])
		s.touched = s.touched[:n+found]
		if list = list[done:]; len(list) > 0 {
			s.grow(uint64(atomic.LoadUint32(&list[0])))
		}
	}
}

// next is the row to go on from: the best that is not expanded, accepted or not,
// as long as it is better than the worst result or there are fewer than ef.
func (s *Scratch) next() (row uint32, ok bool) {
	b := &s.beam
	at := b.best()
	if len(s.candidates) > 0 {
		k := s.candidates[0]
		if (at < 0 || k > b.room[at]) && k > b.worst() {
			return s.candidates.pop().row(), true
		}
	}
	if at < 0 {
		return 0, false
	}
	b.close(at)
	return b.room[at].row(), true
}

// acceptable leaves those of the keys that are accepted, and lines the others up
// to go on from.
func (s *Scratch) acceptable(keys []key, accept func(uint32) bool) []key {
	n := 0
	for _, k := range keys {
		if !accept(k.row()) {
			s.candidates.push(k)
			continue
		}
		keys[n] = k
		n++
	}
	return keys[:n]
}
