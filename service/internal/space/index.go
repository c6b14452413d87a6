package space

import (
	"runtime"

	"github.com/engram-stream/engram/service/internal/memory"
)

// WantsIndexing reports whether published rows wait for the graph.
func (s *Space) WantsIndexing() bool {
	sn := s.Current()
	return sn.aimsAtGraph() && sn.indexed < sn.rows
}

// IndexedThrough is the newest generation all rows of which are in the
// structure the space aims at: the graph, or, as long as there is none, the
// scanned tier.
func (s *Space) IndexedThrough() memory.Generation {
	sn := s.Current()
	switch {
	case !sn.aimsAtGraph() || sn.indexed == sn.rows:
		return sn.Generation
	case sn.indexed == 0 || sn.table == nil: // asleep: somebody has to look at the rows
		return 0
	}
	return sn.view.gen(uint32(sn.indexed - 1))
}

// WantsIndexWorker reports whether an index worker has something to do here:
// rows for the graph, or codes to compare them by.
func (s *Space) WantsIndexWorker() bool {
	if s.damage.Load() != nil {
		return false
	}
	sn := s.Current()
	return sn.aimsAtGraph() && sn.indexed < sn.rows || sn.table != nil && sn.table.wantsCodes(sn)
}

// Index moves up to limit published rows into the graph and returns how many
// it moved. yield is called between rows; it may give way to others, and false
// ends the call early. Many rows at once are moved faster, each, than few. One
// index worker at a time.
func (s *Space) Index(limit int, yield func() bool) int {
	sn, err := s.awake(s.Current())
	if err != nil {
		return 0
	}
	defer runtime.KeepAlive(sn)
	t := sn.table
	t.indexing.Lock()
	defer t.indexing.Unlock()
	sn = s.Current()
	if sn.table != t { // fell asleep meanwhile
		return 0
	}
	goOn := func() bool { return t.wanted.Load() == 0 && yield() }
	if t.wantsCodes(sn) {
		t.makeCodes(sn, s.Settings().Metric, goOn)
	}
	if sn.graph == nil {
		return 0
	}
	end := min(sn.indexed+limit, sn.rows)
	rows := make([]uint32, 0, end-sn.indexed)
	for row := uint32(sn.indexed); int(row) < end; row++ {
		// What no recall may return has no business in the graph.
		if sn.view.death(row).Load() != gone && !sn.view.emptied(row) && !t.dropped.Contains(row) {
			rows = append(rows, row)
		}
	}
	for kind := range codeKinds { // those that are scanned meanwhile are scanned by code
		t.codeThrough(kind, sn, sn.rows, func() bool { yield(); return true })
	}
	t.fitDome(s.Settings().Metric, sn.view, sn.rows, sn.dim)
	done := sn.graph.InsertBatch(rows, s.codingArrivals(t, goOn))
	if done < len(rows) {
		end = int(rows[done])
	}
	moved := end - sn.indexed
	if moved > 0 {
		s.publish(false, func(now *Snapshot) { now.indexed = end })
	}
	return moved
}
