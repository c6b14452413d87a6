package space

import (
	"runtime"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/engram-stream/engram/service/internal/hnsw"
	"github.com/engram-stream/engram/service/internal/vector"
)

// scanCoded is from how many rows on a scan goes by code. Fewer are compared
// by their vectors as quickly.
const scanCoded = 2048

// reranked is how many of the rows nearest by code a walk compares by their
// vectors, to find the k nearest. Fifteen for ten were enough on every set
// tried, but for those where the trial of the codes told otherwise.
func (c *codes) reranked(k int) int { return max(c.width, c.width*k/trialK) }

// candidates is how many of the rows nearest by code a scan of a space compares
// by their vectors. The space may have grown since the codes were on trial.
func (c *codes) candidates(k, rows int) int {
	n := c.reranked(k)
	if rows > 2*c.fitted {
		n *= 2
	}
	return n
}

// worth is how many rows for each candidate make a scan by code worth it.
func (c *codes) worth() int {
	if c.kind == signKind {
		return 16 // else wide codes, of which fewer are compared anew, are as quick
	}
	return 8
}

// coded gives the query with its 7-bit code, and the codes; nil if there are
// none.
func (r *search) coded() (vector.Query, *codes) {
	query, c := r.query, r.snap.table.codes[wideKind].Load()
	if c != nil {
		c.ask(&r.cue, &query)
		query.Code, query.Term, query.Codes = r.cue.code, r.cue.term, c
	}
	return query, c
}

// scannedBy picks the codes that a scan of n rows goes by, of which those below
// c.rows have one, and how many candidates it keeps; nil if it goes by vectors.
// coded tells how many of the rows have a code.
func (r *search) scannedBy(coded func(rows int) int) (*codes, int) {
	if r.q.Exact {
		return nil, 0
	}
	for kind := codeKinds; kind > 0; {
		kind--
		c := r.snap.table.codes[kind].Load()
		if c == nil {
			continue
		}
		n := c.candidates(r.top.k, r.snap.rows)
		if coded(c.rows) >= max(scanCoded, c.worth()*n) {
			return c, n
		}
	}
	return nil, 0
}

// scanCodes compares with the rows of [from, to) that have codes, if that is
// worth it, and returns where the others begin. As the walk does, it compares
// the best by their vectors.
func (r *search) scanCodes(from, to int) (rest int) {
	c, n := r.scannedBy(func(rows int) int { return min(to, rows) - from })
	if c == nil {
		return from
	}
	to = min(to, c.rows)
	c.ask(&r.cue, &r.query)
	v := r.snap.view
	r.near.reset(n)
	for at := from; at < to; {
		n := min(to-at, scanBlock, chunkRows-at&chunkMask)
		if !v.records[at>>chunkShift].erased() {
			scores := r.scores[:n]
			c.estimateRows(&r.cue, at, scores)
			r.keep(&r.near, func(i int) uint32 { return uint32(at + i) }, scores)
		}
		at += n
	}
	if !r.settle() {
		return from
	}
	return to
}

// scanMaskCodes compares with the rows of a mask by code, if that is worth it;
// false if the caller has to compare them by their vectors.
func (r *search) scanMaskCodes(mask *roaring.Bitmap) bool {
	c, n := r.scannedBy(func(rows int) int {
		if rows == 0 {
			return 0
		}
		return int(mask.Rank(uint32(rows - 1)))
	})
	if c == nil {
		return false
	}
	c.ask(&r.cue, &r.query)
	v, block := r.snap.view, r.blockRows()
	r.near.reset(n)
	for it := mask.ManyIterator(); ; {
		n := it.NextMany(block)
		if n == 0 {
			break
		}
		rows, coded := block[:n], n
		for coded > 0 && int(rows[coded-1]) >= c.rows {
			coded--
		}
		scores := r.scores[:n]
		if coded > 0 {
			c.estimates(&r.cue, rows[:coded], scores[:coded])
			r.keep(&r.near, func(i int) uint32 { return rows[i] }, scores[:coded])
		}
		if coded < n { // what came since has no code
			rows, scores = rows[coded:], scores[coded:]
			v.vectors.Score(r.metric, r.query, v.invNorms, rows, scores)
			r.keep(&r.top, func(i int) uint32 { return rows[i] }, scores)
		}
	}
	runtime.KeepAlive(c)
	if !r.settle() {
		r.top.reset(r.top.k)
		return false
	}
	return true
}

// settle compares what is nearest by code by the vectors, and keeps the best. It
// is false if the codes cannot tell what is nearest: too many are alike.
func (r *search) settle() bool {
	near := r.near.sorted()
	if n := len(near); n == r.near.k && near[min(r.top.k, n)-1].score == near[n-1].score {
		return false
	}
	r.found = r.found[:0]
	for _, h := range near {
		r.found = append(r.found, hnsw.Candidate{Row: h.row})
	}
	for _, f := range r.rerank(r.found) {
		r.top.push(hit{row: f.Row, score: f.Score})
	}
	return true
}

// blockRows is room for the numbers of a block of rows.
func (r *search) blockRows() []uint32 {
	if cap(r.rows) < scanBlock {
		r.rows = make([]uint32, scanBlock)
	}
	return r.rows[:scanBlock]
}

// rerank gives candidates their true scores.
func (r *search) rerank(found []hnsw.Candidate) []hnsw.Candidate {
	v, block := r.snap.view, r.blockRows()
	for from := 0; from < len(found); from += scanBlock {
		part := found[from:min(len(found), from+scanBlock)]
		rows, scores := block[:len(part)], r.scores[:len(part)]
		for i := range part {
			rows[i] = part[i].Row
		}
		v.vectors.Score(r.metric, r.query, v.invNorms, rows, scores)
		for i := range part {
			part[i].Score = scores[i]
		}
	}
	return found
}
