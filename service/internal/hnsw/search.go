package hnsw

import (
	"runtime"
	"sync/atomic"

	"github.com/engram-stream/engram/service/internal/vector"
)

// together is how many rows, at least, a search scores at a time if it has them:
// it expands several rows at once where few of their neighbours are new. More
// make the calls of the scorer fewer and let it fetch further ahead; they also
// make it score rows that a search by turns had passed over. 1, 6, 12, 20, 32
// were tried.
const together = 24

// Search returns up to ef accepted rows near q, best first, ties by row
// number: the k nearest are the first k, for a k up to ef. A higher ef finds
// more of the true neighbours and takes longer. The result is valid until s is
// used again. accept nil accepts all; it is called only for rows better than the
// worst of ef results when they were scored, and once for each, unless a
// [Graph.Remove] makes the search begin anew.
//
// Rows that are not accepted are traversed like any other, so filters and
// tombstones do not cut the graph. The search goes on until there are ef
// accepted rows better than anything left to explore, or nothing is left, or
// the visit limit of [Config] is reached ([Scratch.Exhausted] tells). The
// fewer rows are accepted, the more are visited for each: below a few percent
// a scan of the accepted rows is cheaper.
func (g *Graph) Search(q Query, ef int, accept func(row uint32) bool, s *Scratch) []Candidate {
	defer runtime.KeepAlive(g)
	s.found = s.found[:0]
	s.visits, s.exhausted = 0, false
	for again := true; again; {
		changes := g.changes.Load()
		row, level := g.entryPoint()
		if level < 0 || ef <= 0 {
			return nil
		}
		s.begin(g.bound.Load(), g.store.baseSlots)
		entry := makeKey(g.scoreOne(q, row, s), row)
		for layer := level; layer > 0; layer-- {
			entry = g.descend(q, entry, layer, s)
		}
		g.searchLayer(q, entry, 0, ef, g.cfg.visitLimit(ef), accept, s)
		// What it passed by before a Remove, and behind which rows were hung up
		// then, it does not pass again.
		again = len(s.beam.keys()) < s.beam.limit && !s.exhausted && g.changes.Load() != changes
	}
	for _, k := range s.beam.keys() {
		s.found = append(s.found, Candidate{Row: k.row(), Score: k.score()})
	}
	return s.found
}

// descend walks greedily to the row of a layer that is closest to q among its
// neighbours: Algorithm 2 with ef = 1, as on the upper layers of Algorithm 5.
func (g *Graph) descend(q Query, best key, layer int, s *Scratch) key {
	for {
		from := best
		rows := s.rows[:0]
		list := g.store.list(best.row(), layer)
		for i := range list {
			if link := atomic.LoadUint32(&list[i]); link != 0 {
				rows = append(rows, link-1)
			}
		}
		g.score(q, rows, s)
		for i, row := range rows {
			best = max(best, makeKey(s.scores[i], row))
		}
		if best == from {
			return best
		}
	}
}

// searchLayer is Algorithm 2: it leaves in s.beam up to ef accepted rows of the
// layer, best first. s.visited is empty before and after.
func (g *Graph) searchLayer(q Query, entry key, layer, ef, limit int, accept func(uint32) bool, s *Scratch) {
	b := &s.beam
	enough := min(together, g.store.baseSlots)
	b.begin(min(ef, s.bound))
	s.candidates = s.candidates[:0]
	s.visit(entry.row())
	if accept == nil || accept(entry.row()) {
		b.insert(append(s.better[:0], entry))
	} else {
		s.candidates.push(entry)
	}
	for {
		from := len(s.touched)
		for row, ok := s.next(); ok; row, ok = s.next() {
			s.unvisited(g.store.list(row, layer))
			if len(s.touched) >= from+enough {
				break
			}
		}
		rows := s.touched[from:]
		if len(rows) == 0 {
			break
		}
		if s.visits+len(rows) > limit {
			s.exhausted = true
			break
		}
		g.score(q, rows, s)
		g.admit(rows, layer, accept, s)
	}
	s.forget()
}

// admit takes up the rows just scored that are better than the worst result.
func (g *Graph) admit(rows []uint32, layer int, accept func(uint32) bool, s *Scratch) {
	n := vector.KeysAbove(s.scores, rows, s.beam.worst(), s.better)
	better := s.better[:n]
	if accept != nil {
		better = s.acceptable(better, accept)
	}
	s.beam.insert(better)
	if layer == 0 { // they are likely to be expanded soon
		for _, k := range better {
			g.store.prefetch(k.row())
		}
	}
}

func (g *Graph) score(q Query, rows []uint32, s *Scratch) {
	if len(rows) == 0 {
		return
	}
	s.visits += len(rows)
	g.scorer.ScoreRows(q, rows, s.scores[:len(rows)])
}

func (g *Graph) scoreOne(q Query, row uint32, s *Scratch) float32 {
	rows := append(s.rows[:0], row)
	g.score(q, rows, s)
	return s.scores[0]
}
