package space

import (
	"math"
	"runtime"
	"slices"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vector"
)

// trial finds out what recall codes give a space. It asks for the nearest of
// some of its rows among all others, by code and by vector, and looks how many
// of the ten nearest by vector are among the nearest by code. Rows are shown to
// it in any order, a block after the other. It belongs to one goroutine.
type trial struct {
	kind   codeKind
	metric memory.Metric
	probes []probe
	rows   []uint32
	exact  []float32
	guess  []float32
}

// probe is one question of a trial.
type probe struct {
	row     uint32 // its own, which is no answer
	query   vector.Query
	cue     cue
	asked   bool // the cue is made
	nearest topK // by vector
	near    topK // by code
}

const (
	// trialProbes are asked: recall of less than 240 neighbours would be a guess,
	// and each costs a scan of the space.
	trialProbes = 24
	trialK      = 10
)

// newTrial takes probes from everywhere in the snapshot. It copies them: what
// they are compared with may be unmapped meanwhile.
func newTrial(kind codeKind, metric memory.Metric, sn *Snapshot) *trial {
	t := &trial{kind: kind, metric: metric, rows: make([]uint32, scanBlock), exact: make([]float32, scanBlock), guess: make([]float32, scanBlock)}
	widths, _ := kind.widths(metric)
	for i := range trialProbes {
		row := uint32((2*uint64(i) + 1) * uint64(sn.rows) / (2 * trialProbes))
		// The next one that is there: a space may be full of holes.
		for n := 0; n < chunkRows && int(row) < sn.rows-1 && sn.view.death(row).Load() != 0; n++ {
			row++
		}
		if sn.view.death(row).Load() != 0 {
			continue
		}
		p := probe{row: row, query: vector.Query{Vector: slices.Clone(sn.view.vec(row, sn.dim)), InvNorm: sn.view.invNorm(row)}}
		p.nearest.reset(trialK)
		p.near.reset(widths[len(widths)-1])
		t.probes = append(t.probes, p)
	}
	return t
}

// see shows the rows [from, to), which have codes.
func (t *trial) see(v *view, c *codes, from, to int) {
	for at := from; at < to; {
		n := min(scanBlock, to-at)
		for i := range n {
			t.rows[i] = uint32(at + i)
		}
		t.seeRows(v, c, t.rows[:n], at)
		at += n
	}
}

// seeRows shows at most scanBlock rows; their codes are those of the rows from
// first on.
func (t *trial) seeRows(v *view, c *codes, rows []uint32, first int) {
	exact, guess := t.exact[:len(rows)], t.guess[:len(rows)]
	for i := range t.probes {
		p := &t.probes[i]
		if !p.asked {
			c.ask(&p.cue, &p.query)
			p.asked = true
		}
		v.vectors.Score(t.metric, p.query, v.invNorms, rows, exact)
		for at := 0; at < len(rows); {
			n := min(len(rows)-at, chunkRows-(first+at)&chunkMask)
			c.estimateRows(&p.cue, first+at, guess[at:at+n])
			at += n
		}
		for j, row := range rows {
			if row == p.row || v.death(row).Load() != 0 {
				continue
			}
			p.nearest.push(hit{row: row, score: exact[j]})
			p.near.push(hit{row: row, score: guess[j]})
		}
	}
	runtime.KeepAlive(v)
}

// verdict is the least width with which the codes do, and the recall they have
// with it; 0 and the best recall if none does. It ends the trial.
func (t *trial) verdict(v *view) (width int, recall float64) {
	widths, least := t.kind.widths(t.metric)
	hits, wanted := make([]int, len(widths)), 0
	for i := range t.probes {
		p := &t.probes[i]
		near, nearest := p.near.sorted(), p.nearest.sorted()
		wanted += len(nearest)
		rows, scores := make([]uint32, len(near)), make([]float32, len(near))
		for j, h := range near {
			rows[j] = h.row
		}
		v.vectors.Score(t.metric, p.query, v.invNorms, rows, scores)
		for w, n := range widths {
			hits[w] += matched(nearest, scores[:min(n, len(scores))])
		}
	}
	runtime.KeepAlive(v)
	for w, n := range widths {
		recall = float64(hits[w]) / float64(max(1, wanted))
		if wanted > 0 && recall >= least {
			return n, recall
		}
	}
	return 0, recall
}

// matched is how many of the nearest are among rows with these scores. A tie in
// score is as good as the row itself.
func matched(nearest []hit, scores []float32) (n int) {
	scores = slices.Clone(scores)
	slices.SortFunc(scores, func(a, b float32) int {
		switch {
		case a > b:
			return -1
		case a < b:
			return 1
		}
		return 0
	})
	at := 0
	for _, h := range nearest {
		for at < len(scores) && scores[at] > h.score {
			at++
		}
		if at < len(scores) && (scores[at] == h.score || math.IsNaN(float64(h.score))) {
			at++
			n++
		}
	}
	return n
}
