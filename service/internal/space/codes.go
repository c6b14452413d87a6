package space

import (
	"math"
	"runtime"
	"slices"

	"github.com/engram-stream/engram/service/internal/hnsw"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vector"
)

const (
	// codeRows is how many rows a space must have for codes to be fitted to
	// them, and how many are looked at for that.
	codeRows = 4096
	// codeGrowth is by what factor a space has to grow for its codes to be
	// fitted anew: what comes later may not be like what came first.
	codeGrowth = 4
	// codePiece is how many rows are coded before the index worker is asked
	// whether it may go on.
	codePiece = 1024
	// codeProbes rows are asked for among codeRows others to see what the codes
	// are good for; below codeRecall they are not used.
	codeProbes = 32
	codeRecall = 0.95
)

// codes are the 7-bit codes of the rows of a table: what its graph compares
// with, a quarter of the memory to fetch. They are made by the index worker
// that holds table.indexing, and can be made again from the vectors at any
// time, so that no checkpoint has them. A value never changes, but for room
// beyond rows that nobody looks at.
type codes struct {
	quantizer *vector.ScalarQuantizer
	codes     vector.Codes
	terms     [][]float32
	rows      int // that have a code, from the first
	fitted    int // rows there were when the quantizer was fitted
}

// fitCodes fits a quantizer to rows of the view spread evenly over the first n,
// and says whether recall by it is good enough.
func fitCodes(metric memory.Metric, v *view, dim, n int) (*codes, bool) {
	sample := make([]float32, 0, codeRows*dim)
	var rows []uint32
	for i := range codeRows {
		row := uint32(uint64(i) * uint64(n) / codeRows)
		if v.emptied(row) || metric == memory.MetricCosine && v.invNorm(row) == 0 {
			continue
		}
		rows = append(rows, row)
		sample = append(sample, v.vec(row, dim)...)
	}
	if len(rows) < codeRows/2 {
		return nil, false // mostly erased: what is left is not worth a code
	}
	q := vector.FitScalar(metric, dim, sample)
	c := &codes{quantizer: q, codes: vector.Codes{Shift: chunkShift, Stride: q.Stride()}, fitted: n}
	return c, c.recall(metric, v, dim, rows) >= codeRecall
}

// recall is recall@10 of the codes, re-ranked as recalls are, over some rows
// and probes among them.
func (c *codes) recall(metric memory.Metric, v *view, dim int, rows []uint32) float64 {
	const k = 10
	flat, terms := vector.NewCodeChunk(len(rows), c.codes.Stride), make([]float32, len(rows))
	for i, row := range rows {
		terms[i] = c.quantizer.Encode(c.row(flat, i), v.vec(row, dim), v.invNorm(row))
	}
	estimates, exact := make([]float32, len(rows)), make([]float32, len(rows))
	order := make([]int, len(rows))
	best := func(scores []float32, n int) []int {
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int {
			switch {
			case scores[a] > scores[b]:
				return -1
			case scores[a] < scores[b]:
				return 1
			}
			return a - b
		})
		return slices.Clone(order[:min(n, len(order))])
	}
	hits, wanted := 0, 0
	for p := range codeProbes {
		at := p * len(rows) / codeProbes
		q := vector.Query{Vector: v.vec(rows[at], dim), InvNorm: v.invNorm(rows[at])}
		v.vectors.Score(metric, q, v.invNorms, rows, exact)
		c.quantizer.EstimateRows(flat, terms, c.row(flat, at), terms[at], estimates)
		found := best(estimates, rerankRows(k))
		for _, i := range best(exact, k) {
			wanted++
			// A tie in score is as good as the row itself.
			if slices.ContainsFunc(found, func(j int) bool { return j == i || exact[j] == exact[i] }) {
				hits++
			}
		}
	}
	return float64(hits) / float64(max(1, wanted))
}

func (c *codes) row(flat []byte, i int) []byte {
	return flat[i*c.codes.Stride : (i+1)*c.codes.Stride]
}

// grown returns codes of rows up to end as well; end is at most codePiece rows
// more than there are.
func (c *codes) grown(v *view, dim, end int) *codes {
	n := *c
	for len(n.codes.Flat)<<chunkShift < end {
		n.codes.Flat = appended(n.codes.Flat, vector.NewCodeChunk(chunkRows, n.codes.Stride))
		n.terms = appended(n.terms, make([]float32, chunkRows))
	}
	for row := uint32(c.rows); int(row) < end; row++ {
		n.terms[row>>chunkShift][row&chunkMask] = n.quantizer.Encode(n.codes.Row(row), v.vec(row, dim), v.invNorm(row))
	}
	n.rows = end
	return &n
}

// bytes is the memory of the codes.
func (c *codes) bytes() int64 {
	if c == nil {
		return 0
	}
	return int64(len(c.codes.Flat)) * int64(chunkRows*(c.codes.Stride+4))
}

// query puts the code of a cue into its query form.
func (c *codes) query(q *vector.Query, room []byte) []byte {
	n := c.codes.Stride
	if cap(room) < n+64 {
		room = vector.NewCodeChunk(1, n)
	}
	q.Code, q.Codes = room[:n], c
	q.Term = c.quantizer.Encode(q.Code, q.Vector, q.InvNorm)
	return room[:n:n]
}

// wantsCodes reports whether codes are to be made, or made anew, for rows of a
// graph.
func (t *table) wantsCodes(sn *Snapshot) bool {
	if sn.graph == nil || sn.rows < codeRows {
		return false
	}
	c := t.codes.Load()
	return c == nil && int64(sn.rows) >= codeGrowth*t.unfit.Load() || c != nil && sn.rows >= codeGrowth*c.fitted
}

// makeCodes goes on making codes for all rows that the graph may name, for as
// long as yield lets it. Until they are complete the graph is compared as
// before. table.indexing is held.
func (t *table) makeCodes(sn *Snapshot, metric memory.Metric, yield func() bool) {
	if t.coming == nil {
		c, good := fitCodes(metric, sn.view, sn.dim, sn.rows)
		if !good {
			t.unfit.Store(int64(sn.rows))
			t.codes.Store(nil)
			return
		}
		t.coming = c
	}
	bound := int(sn.graph.Bound())
	for t.coming.rows < bound {
		t.coming = t.coming.grown(sn.view, sn.dim, min(bound, t.coming.rows+codePiece))
		if !yield() {
			return
		}
	}
	t.codes.Store(t.coming)
	t.coming = nil
	t.unfit.Store(0)
}

// codeThrough makes codes for rows that came since, before they go into the
// graph.
func (t *table) codeThrough(sn *Snapshot, end int) {
	c := t.codes.Load()
	if c == nil {
		return
	}
	for c.rows < end {
		c = c.grown(sn.view, sn.dim, min(end, c.rows+codePiece))
	}
	t.codes.Store(c)
}

// ScoreRows implements [hnsw.Scorer].
func (c scorer) ScoreRows(q hnsw.Query, rows []uint32, out []float32) {
	if of, ok := q.Codes.(*codes); ok {
		cs := c.table.codes.Load()
		if cs == nil || cs.quantizer != of.quantizer {
			of.former(q, rows, out)
			return
		}
		cs.quantizer.Estimates(cs.codes, cs.terms, q.Code, q.Term, rows, out)
		return
	}
	v := c.table.view.Load()
	v.vectors.Score(c.metric, q, v.invNorms, rows, out)
	runtime.KeepAlive(v)
}

// former scores rows for a query that was coded before the codes were made
// anew: rows that are newer have no code it can be compared with, and no recall
// that is under way may return them.
func (c *codes) former(q hnsw.Query, rows []uint32, out []float32) {
	for i, row := range rows {
		if int(row) >= c.rows {
			out[i] = -math.MaxFloat32
			continue
		}
		c.quantizer.Estimates(c.codes, c.terms, q.Code, q.Term, rows[i:i+1], out[i:i+1])
	}
}

// QueryOf implements [hnsw.Scorer]. What it returns aliases the view, which
// stays as it is while table.indexing is held: the inserter alone asks.
func (c scorer) QueryOf(row uint32) hnsw.Query {
	v := c.table.view.Load()
	q := vector.Query{Vector: v.vec(row, c.dim), InvNorm: v.invNorm(row)}
	if cs := c.table.codes.Load(); cs != nil {
		q.Codes = cs
		q.Code, q.Term = cs.codes.Row(row), cs.terms[row>>chunkShift][row&chunkMask]
	}
	return q
}
