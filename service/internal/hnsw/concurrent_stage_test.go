package hnsw

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
)

// stage lets one inserter and several searches take turns in one goroutine,
// wherever one of them compares rows: every interleaving it plays is one that
// the memory model allows, and the same seed plays it again. It is the graph's
// scorer, and so sees every row that a search asks for.
type stage struct {
	*flatScorer
	rng   *rand.Rand
	fates []fate // by row
	// hidden are rows that searches may be told not to accept, as those with a
	// tombstone are.
	hidden []bool

	g       *Graph
	running []*walker // searches under way, all on g
	current *walker   // whose turn it is; nil is the inserter's
	most    int       // searches at a time
	odds    int       // one in so many chances of the inserter lets a search go on
	begun   int       // searches so far
	across  int       // of them those that an insert or a Remove went on beside
	err     error     // the first promise that was broken
}

// walker is one search that stands still wherever it compares rows.
type walker struct {
	step   func() (struct{}, bool)
	yield  func(struct{}) bool
	ended  bool
	fates  []fate // as they were when it began
	hidden []bool // likewise
}

// is sets the fate of rows.
func (s *stage) is(f fate, rows ...uint32) {
	for _, row := range rows {
		s.fates[row] = f
	}
}

// living lists the rows that are in the graph between two calls of the inserter.
func (s *stage) living() (rows []uint32) {
	for row, f := range s.fates {
		if f == there {
			rows = append(rows, uint32(row))
		}
	}
	return rows
}

// ScoreRows is a point at which whoever asks may be interrupted.
func (s *stage) ScoreRows(q Query, rows []uint32, out []float32) {
	s.pause(rows)
	s.flatScorer.ScoreRows(q, rows, out)
}

func (s *stage) QueryOf(row uint32) Query {
	s.judge([]uint32{row})
	return s.flatScorer.QueryOf(row)
}

// pause gives way to the others: a search to the inserter, the inserter, now
// and then, to some searches.
func (s *stage) pause(asked []uint32) {
	s.judge(asked)
	if w := s.current; w != nil {
		if w.yield != nil && !w.yield(struct{}{}) {
			w.yield = nil // it is to end without stopping again
		}
		return
	}
	for s.most > 0 && s.rng.IntN(s.odds) == 0 {
		s.goOn(s.rng.IntN(s.most), 1+s.rng.IntN(4))
	}
}

// judge checks that the rows may be asked for: they were handed to the graph, and
// were not out of it before the search began.
func (s *stage) judge(rows []uint32) {
	for _, row := range rows {
		if int(row) >= len(s.fates) || s.fates[row] == unborn {
			s.fail("row %d is asked for and nobody inserted it", row)
		} else if w := s.current; w != nil && w.fates[row] == removed || w == nil && s.fates[row] == removed {
			s.fail("row %d is asked for, which was removed before", row)
		}
	}
}

func (s *stage) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

// goOn takes one of the searches some steps further; a place that is free gets a
// new search.
func (s *stage) goOn(at, steps int) {
	if at >= len(s.running) {
		s.running = append(s.running, s.begin())
		at = len(s.running) - 1
	}
	w := s.running[at]
	s.current = w
	for ; steps > 0 && !w.ended; steps-- {
		_, more := w.step()
		w.ended = !more
	}
	s.current = nil
	if w.ended {
		s.running = slices.Delete(s.running, at, at+1)
	}
}

// finish ends all searches: nothing is left to go on beside.
func (s *stage) finish() {
	for len(s.running) > 0 {
		s.goOn(0, 1<<30)
	}
}

// begin starts a search that is wide enough for the whole graph, or narrow; of
// all rows, of some, or of those that are not hidden.
func (s *stage) begin() *walker {
	w := &walker{fates: slices.Clone(s.fates), hidden: slices.Clone(s.hidden)}
	ef := s.rows()
	if s.rng.IntN(3) == 0 {
		ef = 1 + s.rng.IntN(20)
	}
	accept := []func(uint32) bool{
		nil,
		func(row uint32) bool { return w.fates[row] == there }, // as a snapshot would
		func(row uint32) bool { return row%3 != 1 },
		func(row uint32) bool { return !w.hidden[row] },
	}[s.rng.IntN(4)]
	q := s.flatScorer.QueryOf(uint32(s.rng.IntN(s.rows())))
	g := s.g
	s.begun++
	w.step, _ = iter.Pull(func(yield func(struct{}) bool) {
		w.yield = yield
		a := asked{g: g, f: s.flatScorer, q: q, ef: ef, accept: accept, before: w.fates}
		a.search(func() []fate { return s.fates })
		if !slices.Equal(w.fates, s.fates) {
			s.across++
		}
		if a.err != nil {
			s.fail("%w", a.err)
		}
	})
	return w
}
