package hnsw

import (
	"runtime"
	"sync/atomic"
)

// Search returns up to ef accepted rows near q, best first, ties by row
// number: the k nearest are the first k, for a k up to ef. A higher ef finds
// more of the true neighbours and takes longer. The result is valid until s is
// used again. accept nil accepts all; it is called at most once for each row
// and only for rows that would be among the results.
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
	for _, k := range s.beam.keys {
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
	ef = min(ef, s.bound)
	b.begin(ef)
	s.candidates = s.candidates[:0]
	s.visit(entry.row())
	if accept == nil || accept(entry.row()) {
		b.insert(entry, ef)
	} else {
		s.candidates.push(entry)
	}
	for {
		from, ok := s.next(ef)
		if !ok {
			break
		}
		rows := s.unvisited(g.store.list(from, layer))
		if s.visits+len(rows) > limit {
			s.exhausted = true
			break
		}
		g.score(q, rows, s)
		worst := key(0)
		if len(b.keys) == ef {
			worst = b.keys[ef-1]
		}
		for i, row := range rows {
			k := makeKey(s.scores[i], row)
			if k < worst {
				continue
			}
			if accept != nil && !accept(row) {
				s.candidates.push(k)
				continue
			}
			b.insert(k, ef)
			if len(b.keys) == ef {
				worst = b.keys[ef-1]
			}
			// It is likely to be expanded soon.
			if layer == 0 {
				g.store.prefetch(row)
			}
		}
	}
	s.forget()
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
