package space

import "github.com/engram-stream/engram/service/internal/memory"

// WantsIndexing reports whether published rows wait for the graph.
func (s *Space) WantsIndexing() bool {
	sn := s.Current()
	return sn.graph != nil && sn.indexed < sn.rows
}

// IndexedThrough is the newest generation all rows of which are in the
// structure the space aims at: the graph, or, as long as there is none, the
// scanned tier.
func (s *Space) IndexedThrough() memory.Generation {
	sn := s.Current()
	switch {
	case sn.graph == nil || sn.indexed == sn.rows:
		return sn.Generation
	case sn.indexed == 0:
		return 0
	}
	return sn.view.gen(uint32(sn.indexed - 1))
}

// Index moves up to limit published rows into the graph and returns how many
// it moved. yield is called between rows; it may give way to others, and false
// ends the call early. One index worker at a time.
func (s *Space) Index(limit int, yield func() bool) int {
	sn := s.Current()
	if sn.graph == nil {
		return 0
	}
	n := min(limit, sn.rows-sn.indexed)
	rows := make([]uint32, n)
	for i := range rows {
		rows[i] = uint32(sn.indexed + i)
	}
	done := sn.graph.InsertBatch(rows, yield)
	if done > 0 {
		through := sn.indexed + done
		s.publish(false, func(now *Snapshot) { now.indexed = through })
	}
	return done
}
