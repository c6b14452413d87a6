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

// codingArrivals is a yield for inserting a batch that gives rows their codes,
// if codes are in use, which are published meanwhile: recalls scan these until
// the graph has them, by their vectors as long as they have none, and that takes
// several times as long. A batch may take a tenth of a second, and fast streams
// bring ten thousand rows in that. table.indexing is held.
func (s *Space) codingArrivals(t *table, yield func() bool) func() bool {
	return func() bool {
		for kind := range codeKinds {
			c := t.codes[kind].Load()
			if sn := s.Current(); c != nil && sn.table == t && sn.rows-c.rows >= codePiece {
				t.codeThrough(kind, sn, sn.rows, nil)
			}
		}
		return yield()
	}
}
