package space

// Narrow lets the rows that move into the graph from here on search for their
// neighbours with breadth ef, or as configured if ef is 0 or greater than that.
// A space without a graph has nothing to narrow, and one that falls asleep
// forgets it. The index worker calls it, not while it is in [Space.Index].
func (s *Space) Narrow(ef int) {
	t := s.table.Load()
	if t == nil {
		return
	}
	t.indexing.Lock()
	defer t.indexing.Unlock()
	if g := t.graph.Load(); g != nil {
		g.Narrow(ef)
	}
}
