package hnsw

import "sync/atomic"

// Scratch is the memory of one search at a time, to be reused: keep them in a
// sync.Pool. The zero value is ready. Once it has grown to what a graph and
// its ef need, a search allocates nothing. It takes a bit for each row of the
// graph, and 8 bytes for each row a search puts on its lists.
type Scratch struct {
	beam       beam
	candidates bestFirst // rows not accepted, to go on from
	found      []Candidate

	visited []uint64 // a bit for each row
	touched []uint32 // the rows whose bit is set: what is to be cleared

	rows   []uint32 // neighbours about to be scored
	scores []float32

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
	if words := int((bound + 63) / 64); words > len(s.visited) {
		s.visited = make([]uint64, words+words/8)
	}
	if cap(s.rows) < 2*slots {
		s.rows = make([]uint32, 0, 2*slots)
		s.scores = make([]float32, 2*slots)
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
			s.visited[row/64] = 0
		}
	}
	s.touched = s.touched[:0]
}

// visit marks a row and reports whether it was not marked before.
func (s *Scratch) visit(row uint32) bool {
	word := int(row / 64)
	if word >= len(s.visited) {
		s.grow(word)
	}
	bit := uint64(1) << (row % 64)
	if s.visited[word]&bit != 0 {
		return false
	}
	s.visited[word] |= bit
	s.touched = append(s.touched, row)
	return true
}

// grow makes room for rows that were inserted since the search began.
func (s *Scratch) grow(word int) {
	grown := make([]uint64, word+1+word/8)
	copy(grown, s.visited)
	s.visited = grown
}

// unvisited marks the rows a list links to and returns, in s.rows, those that
// were not marked before. Whether one was is anybody's guess, so that it must
// not be a branch.
func (s *Scratch) unvisited(list, rows []uint32) []uint32 {
	visited := s.visited
	n := len(rows)
	before := n
	rows = rows[:n+len(list)]
	for i := range list {
		link := atomic.LoadUint32(&list[i])
		if link == 0 {
			continue
		}
		row := link - 1
		word := int(row / 64)
		if word >= len(visited) {
			s.grow(word)
			visited = s.visited
		}
		x := visited[word]
		visited[word] = x | 1<<(row%64)
		rows[n] = row
		n += int(^x >> (row % 64) & 1)
	}
	rows = rows[:n]
	s.touched = append(s.touched, rows[before:]...)
	return rows
}

// next is the row to go on from: the best that is not expanded, accepted or not,
// as long as it is better than the worst result or there are fewer than ef.
func (s *Scratch) next(ef int) (row uint32, ok bool) {
	b := &s.beam
	at := b.best()
	if len(s.candidates) > 0 {
		k := s.candidates[0]
		if (at < 0 || k > b.keys[at]) && (len(b.keys) < ef || k > b.keys[ef-1]) {
			return s.candidates.pop().row(), true
		}
	}
	if at < 0 {
		return 0, false
	}
	b.close(at)
	return b.keys[at].row(), true
}
