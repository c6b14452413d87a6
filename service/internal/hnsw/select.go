package hnsw

import (
	"github.com/engram-stream/engram/service/internal/vector"
)

// selection is the memory of selectNeighbours: of a window of the candidates,
// those that may still be taken.
type selection struct {
	window int
	open   []key
	rows   []uint32 // those of open
	pinned []bool   // which of open must be taken; empty for none
	scores []float32
}

func (s *selection) init(cfg Config) {
	s.window = 2*cfg.M + 1
	s.open = make([]key, 0, s.window+vector.Spare)
	s.rows = make([]uint32, 0, s.window+vector.Spare)
	s.pinned = make([]bool, 0, s.window)
	s.scores = make([]float32, s.window)
}

// look opens a window.
func (s *selection) look(candidates []key, pinned []bool) {
	s.open, s.pinned = append(s.open[:0], candidates...), append(s.pinned[:0], pinned...)
	s.rows = s.rows[:0]
	for _, k := range candidates {
		s.rows = append(s.rows, k.row())
	}
}

// selectNeighbours is Algorithm 4, the heuristic: from candidates, best first
// by closeness to some base, it takes those that are closer to the base than
// to any one already taken, so that links lead in different directions, until
// it has limit. What pinned marks is taken in any case; nil marks nothing. The
// selection is appended to dst.
//
// What [Config.KeepPruned] fills a selection with is the best of the others.
//
// Whatever is taken is compared at once with all that is left of a window of
// the candidates: a few calls for many rows each, and none of them is compared
// again after the one that decides.
func (g *Graph) selectNeighbours(candidates []key, pinned []bool, limit int, dst []key) []key {
	s := &g.work.pruning
	free, room := limit, limit // free are the places not needed by what is pinned
	if pinned != nil {
		room -= limit / slackShare
	}
	for _, p := range pinned {
		if p {
			free--
		}
	}
	all, taken := candidates, len(dst)
	for len(candidates) > 0 && (free > 0 || pinned != nil) {
		n := min(len(candidates), s.window)
		s.look(candidates[:n], pinned[:min(len(pinned), n)])
		candidates, pinned = candidates[n:], pinned[min(len(pinned), n):]
		for _, k := range dst[taken:] {
			g.shadow(k.row(), 0, s)
		}
		for at := 0; at < len(s.open); at++ {
			if len(s.pinned) == 0 || !s.pinned[at] {
				if free <= 0 {
					if len(s.pinned) == 0 {
						break
					}
					continue
				}
				free--
			}
			dst = append(dst, s.open[at])
			g.shadow(s.open[at].row(), at+1, s)
		}
	}
	if g.cfg.KeepPruned {
		dst = refill(all, dst, taken, min(free, room-(len(dst)-taken)))
	}
	return dst
}

// slackShare is the share of its places, one in so many, that KeepPruned leaves
// free in a list that was full: else every link that comes would have it chosen
// anew, which made inserts half as dear again for no recall.
const slackShare = 4

// refill appends the best n of the candidates that are not in dst from taken on,
// where they are in the same order.
func refill(candidates, dst []key, taken, n int) []key {
	chosen := dst[taken:]
	for _, k := range candidates {
		switch {
		case n <= 0:
			return dst
		case len(chosen) > 0 && chosen[0] == k:
			chosen = chosen[1:]
		default:
			dst = append(dst, k)
			n--
		}
	}
	return dst
}

// shadow drops what is open, from a position on, of candidates that are closer
// to a row than to the base.
func (g *Graph) shadow(row uint32, from int, s *selection) {
	if from >= len(s.open) {
		return
	}
	scores := s.scores[:len(s.open)-from]
	g.scorer.ScoreRows(g.scorer.QueryOf(row), s.rows[from:], scores)
	left := from
	if len(s.pinned) == 0 {
		left += vector.DropCloser(scores, s.open[from:cap(s.open)], s.rows[from:cap(s.rows)])
	} else {
		left += s.drop(from, scores)
	}
	s.open, s.rows = s.open[:left], s.rows[:left]
}

// drop is [vector.DropCloser] that heeds what is pinned.
func (s *selection) drop(from int, scores []float32) (left int) {
	left = from
	for i, score := range scores {
		at := from + i
		if vector.Sortable(score) > s.open[at].rank() && !s.pinned[at] {
			continue
		}
		s.open[left], s.rows[left], s.pinned[left] = s.open[at], s.rows[at], s.pinned[at]
		left++
	}
	s.pinned = s.pinned[:left]
	return left - from
}
