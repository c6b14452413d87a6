package hnsw

// shadowBlock is how many selected neighbours a candidate is compared with in
// one call: more would waste comparisons after the one that decides.
const shadowBlock = 8

// selection is the memory of selectNeighbours.
type selection struct {
	rows   []uint32 // what is selected so far
	pruned []key
	scores [shadowBlock]float32
}

func (s *selection) init(cfg Config) {
	s.rows = make([]uint32, 0, 2*cfg.M+1)
}

// selectNeighbours is Algorithm 4, the heuristic: from candidates, best first
// by closeness to some base, it takes those that are closer to the base than
// to any one already taken, so that links lead in different directions, until
// it has limit. What pinned marks is taken in any case; nil marks nothing. The
// selection is appended to dst.
func (g *Graph) selectNeighbours(candidates []key, pinned []bool, limit int, dst []key) []key {
	s := &g.work.pruning
	s.rows, s.pruned = s.rows[:0], s.pruned[:0]
	free := limit // places not needed by what is pinned
	for _, p := range pinned {
		if p {
			free--
		}
	}
	for i, k := range candidates {
		if pinned == nil || !pinned[i] {
			if free <= 0 {
				if pinned == nil {
					break
				}
				continue
			}
			if g.shadowed(k, s) {
				s.pruned = append(s.pruned, k)
				continue
			}
			free--
		}
		s.rows = append(s.rows, k.row())
		dst = append(dst, k)
	}
	if g.cfg.KeepPruned {
		dst = append(dst, s.pruned[:min(max(free, 0), len(s.pruned))]...)
	}
	return dst
}

// shadowed reports whether a candidate is closer to a selected neighbour than
// to the base.
func (g *Graph) shadowed(k key, s *selection) bool {
	if len(s.rows) == 0 {
		return false
	}
	q := g.scorer.QueryOf(k.row())
	for at := 0; at < len(s.rows); at += shadowBlock {
		rows := s.rows[at:min(at+shadowBlock, len(s.rows))]
		g.scorer.ScoreRows(q, rows, s.scores[:len(rows)])
		for _, score := range s.scores[:len(rows)] {
			if sortable(score) > k.rank() {
				return true
			}
		}
	}
	return false
}
