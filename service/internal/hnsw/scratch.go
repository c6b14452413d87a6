package hnsw

// Scratch is the memory of one search at a time, to be reused: keep them in a
// sync.Pool. The zero value is ready. Once it has grown to what a graph and
// its ef need, a search allocates nothing. It takes a bit for each row of the
// graph, and 8 bytes for each row a search puts on its lists.
type Scratch struct {
	candidates bestFirst
	results    worstFirst
	found      []Candidate

	visited []uint64 // a bit for each row
	touched []uint32 // the rows whose bit is set: what is to be cleared

	rows   []uint32 // neighbours about to be scored
	scores []float32

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
	if cap(s.rows) < slots {
		s.rows = make([]uint32, 0, slots)
		s.scores = make([]float32, slots)
	}
	s.visits = 0
	s.exhausted = false
}

// forget clears the visited set in time proportional to what is in it.
func (s *Scratch) forget() {
	for _, row := range s.touched {
		s.visited[row/64] = 0
	}
	s.touched = s.touched[:0]
}

// visit marks a row and reports whether it was not marked before.
func (s *Scratch) visit(row uint32) bool {
	word := int(row / 64)
	if word >= len(s.visited) { // inserted since the search began
		grown := make([]uint64, word+1+word/8)
		copy(grown, s.visited)
		s.visited = grown
	}
	bit := uint64(1) << (row % 64)
	if s.visited[word]&bit != 0 {
		return false
	}
	s.visited[word] |= bit
	s.touched = append(s.touched, row)
	return true
}
