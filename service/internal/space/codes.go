package space

import (
	"fmt"
	"math"
	"runtime"

	"github.com/engram-stream/engram/service/internal/hnsw"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vector"
)

const (
	// codeRows is how many rows a space must have for codes to be fitted to
	// them, and how many are looked at for that.
	codeRows = 4096
	// scannedRows is how many rows a space must have that has no graph. A scan
	// of fewer is quick, and exact.
	scannedRows = 16_384
	// codeGrowth is by what factor a space has to grow for its codes to be
	// checked anew: what comes later may not be like what came first.
	codeGrowth = 4
	// codePiece is how many rows are coded before the index worker is asked
	// whether it may go on.
	codePiece = 256
	// codeLag is how many rows of a space without a graph may wait for a code.
	codeLag = 1024
)

// codeKind is a kind of codes.
type codeKind uint8

const (
	// wideKind are 7-bit codes: what a graph compares with, a quarter of the
	// memory to fetch, and what is scanned if 1-bit codes will not do.
	wideKind codeKind = iota
	// signKind are 1-bit codes, a thirty-second of the memory: what is scanned.
	signKind
	codeKinds
)

// String names a kind as status and metrics do.
func (k codeKind) String() string { return [...]string{"7-bit", "1-bit"}[k] }

// widths are how many of the rows nearest by code may have to be compared by
// their vectors to find the ten nearest, and least is the recall@10 that codes
// must have with one of these to be used. The error of a code grows with the
// length of its row, and under the dot product the longest rows are what is asked
// for: where norms are far apart, more candidates are worth their comparisons.
func (k codeKind) widths(metric memory.Metric) (widths []int, least float64) {
	switch {
	case k == signKind:
		return []int{100, 200, 400}, 0.98
	case metric == memory.MetricDot:
		return []int{40, 80, 160}, 0.99
	}
	return []int{40}, 0.95
}

// codes are codes of one kind of the rows of a table. They are made by the
// index worker that holds table.indexing, and can be made again from the
// vectors at any time, so that no checkpoint has them. A value never changes,
// but for room beyond rows that nobody looks at. Its bytes lie outside the heap:
// whoever reads them keeps it reachable.
type codes struct {
	kind      codeKind
	quantizer *vector.ScalarQuantizer // of 7-bit codes
	sign      *vector.SignQuantizer   // of 1-bit codes
	codes     vector.Codes
	regions   []*region // a chunk of codes each
	terms     [][]float32
	dome      dome        // of 7-bit codes under the dot product
	lifts     [][]float32 // of the rows under it
	signs     [][]vector.SignTerms
	rows      int     // that have a code, from the first
	fitted    int     // rows there were when they were checked last
	width     int     // as codeKind.widths, and found enough
	recall    float64 // recall@10 with it
}

// String is for messages.
func (c *codes) String() string {
	if c == nil {
		return "no rows"
	}
	return fmt.Sprintf("%d rows, %v, fitted to %d", c.rows, c.kind, c.fitted)
}

// newCodes fits codes to the flat sample.
func newCodes(kind codeKind, metric memory.Metric, dim int, sample []float32) *codes {
	c := &codes{kind: kind, codes: vector.Codes{Shift: chunkShift}}
	if kind == signKind {
		c.sign = vector.FitSign(metric, dim, sample)
		c.codes.Stride = c.sign.Stride()
	} else {
		c.quantizer = vector.FitScalar(metric, dim, sample)
		c.codes.Stride = c.quantizer.Stride()
		if metric == memory.MetricDot {
			c.dome = fitDome(dim, sample)
		}
	}
	return c
}

// grown returns codes of rows up to end as well.
func (c *codes) grown(v *view, dim, end int) *codes {
	n := *c
	for len(n.codes.Flat)<<chunkShift < end {
		n.addChunk()
	}
	for row := uint32(c.rows); int(row) < end; row++ {
		n.encode(row, v.vec(row, dim), v.invNorm(row))
	}
	n.rows = end
	return &n
}

func (c *codes) addChunk() {
	r := newRegion(chunkRows * c.codes.Stride)
	c.regions = appended(c.regions, r)
	c.codes.Flat = appended(c.codes.Flat, r.bytes)
	if c.kind == signKind {
		c.signs = appended(c.signs, make([]vector.SignTerms, chunkRows))
	} else {
		c.terms = appended(c.terms, make([]float32, chunkRows))
		if c.lifted() {
			c.lifts = appended(c.lifts, make([]float32, chunkRows))
		}
	}
}

// encode gives a row its code, for which there is room.
func (c *codes) encode(row uint32, v []float32, invNorm float32) {
	at, in := row>>chunkShift, row&chunkMask
	if c.kind == signKind {
		c.signs[at][in] = c.sign.Encode(c.codes.Row(row), v, invNorm)
	} else {
		c.terms[at][in] = c.quantizer.Encode(c.codes.Row(row), v, invNorm)
		if c.lifted() {
			c.lifts[at][in] = c.dome.lift(v)
		}
	}
}

// lifted reports whether rows are compared with each other under their dome.
func (c *codes) lifted() bool { return c.kind == wideKind && c.quantizer.Metric() == memory.MetricDot }

// bytes is the memory of the codes.
func (c *codes) bytes() int64 {
	if c == nil {
		return 0
	}
	term := 4
	if c.kind == signKind || c.lifted() {
		term = 8
	}
	return int64(len(c.codes.Flat)) * int64(chunkRows*(c.codes.Stride+term))
}

// cue is what is looked for in the form that codes are compared with. Its zero
// value is room for one, which is used again.
type cue struct {
	code []byte
	term float32
	sign vector.SignQuery
}

// ask makes q ready to be compared with the codes.
func (c *codes) ask(to *cue, q *vector.Query) {
	if c.kind == signKind {
		c.sign.Query(&to.sign, q.Vector, q.InvNorm)
		return
	}
	n := c.codes.Stride
	if cap(to.code) < n+64 {
		to.code = vector.NewCodeChunk(1, n+64)
	}
	to.code = to.code[:n]
	to.term = c.quantizer.Encode(to.code, q.Vector, q.InvNorm)
}

// estimates sets out[i] to the estimated score of rows[i].
func (c *codes) estimates(q *cue, rows []uint32, out []float32) {
	if c.kind == signKind {
		c.sign.Estimates(c.codes, c.signs, &q.sign, rows, out)
	} else {
		c.quantizer.Estimates(c.codes, c.terms, q.code, q.term, rows, out)
	}
	runtime.KeepAlive(c)
}

// estimateRows sets out[i] to the estimated score of row from+i; all of them are
// of one chunk.
func (c *codes) estimateRows(q *cue, from int, out []float32) {
	at, in, n := from>>chunkShift, from&chunkMask, len(out)
	flat := c.codes.Flat[at][in*c.codes.Stride : (in+n)*c.codes.Stride]
	if c.kind == signKind {
		c.sign.EstimateRows(flat, c.signs[at][in:in+n], &q.sign, out)
	} else {
		c.quantizer.EstimateRows(flat, c.terms[at][in:in+n], q.code, q.term, out)
	}
	runtime.KeepAlive(c)
}

// ScoreRows implements [hnsw.Scorer].
func (c scorer) ScoreRows(q hnsw.Query, rows []uint32, out []float32) {
	switch of := q.Codes.(type) {
	case *codes:
		cs := c.table.codes[wideKind].Load()
		if cs == nil || cs.quantizer != of.quantizer {
			of.former(q, rows, out)
		} else {
			cs.quantizer.Estimates(cs.codes, cs.terms, q.Code, q.Term, rows, out)
			runtime.KeepAlive(cs)
		}
		runtime.KeepAlive(of)
	case *kin:
		of.scoreRows(q, rows, out)
	case kinByVectors:
		c.scoreKin(q, rows, out)
	default:
		v := c.table.view.Load()
		v.vectors.Score(c.metric, q, v.invNorms, rows, out)
		runtime.KeepAlive(v)
	}
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

// QueryOf implements [hnsw.Scorer]. What it returns aliases the view and the
// codes, which stay as they are while table.indexing is held: the inserter alone
// asks. Under the dot product rows are compared as [dome] says.
func (c scorer) QueryOf(row uint32) hnsw.Query {
	if c.metric == memory.MetricDot {
		return c.kinOf(row)
	}
	v := c.table.view.Load()
	q := vector.Query{Vector: v.vec(row, c.dim), InvNorm: v.invNorm(row)}
	if cs := c.table.codes[wideKind].Load(); cs != nil {
		q.Codes = cs
		q.Code, q.Term = cs.codes.Row(row), cs.terms[row>>chunkShift][row&chunkMask]
	}
	return q
}
