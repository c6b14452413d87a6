package space

import (
	"github.com/engram-stream/engram/service/internal/hnsw"
	"github.com/engram-stream/engram/service/internal/vector"
)

// scanCoded is from how many rows on a scan goes by code. Fewer are compared
// by their vectors as quickly.
const scanCoded = 2048

// rerankRows is how many of the rows nearest by code are compared by their
// vectors, to find the k nearest. Fifteen for ten were enough on every set
// tried.
func rerankRows(k int) int { return max(4*k, 40) }

// coded gives the query with its code, and the codes; nil if there are none.
func (r *search) coded() (vector.Query, *codes) {
	query, c := r.query, r.snap.table.codes.Load()
	if c != nil {
		r.code = c.query(&query, r.code)
	}
	return query, c
}

// scanCodes compares with the rows of [from, to) that have codes, if that is
// worth it, and returns where the others begin. As the walk does, it compares
// the best by their vectors.
func (r *search) scanCodes(from, to int) (rest int) {
	if r.q.Exact || to-from < scanCoded {
		return from
	}
	query, c := r.coded()
	if c == nil || min(to, c.rows)-from < max(scanCoded, 8*rerankRows(r.top.k)) {
		return from
	}
	to = min(to, c.rows)
	v := r.snap.view
	r.near.reset(rerankRows(r.top.k))
	for at := from; at < to; {
		chunk, in := at>>chunkShift, at&chunkMask
		n := min(to-at, scanBlock, chunkRows-in)
		if !v.records[chunk].erased() {
			scores := r.scores[:n]
			c.quantizer.EstimateRows(c.codes.Flat[chunk][in*c.codes.Stride:(in+n)*c.codes.Stride], c.terms[chunk][in:in+n], query.Code, query.Term, scores)
			r.keep(&r.near, func(i int) uint32 { return uint32(at + i) }, scores)
		}
		at += n
	}
	near := r.near.sorted()
	if n := len(near); n == r.near.k && near[0].score == near[n-1].score {
		return from // the codes cannot tell what is nearest: too many are alike
	}
	r.found = r.found[:0]
	for _, h := range near {
		r.found = append(r.found, hnsw.Candidate{Row: h.row})
	}
	for _, f := range r.rerank(r.found) {
		r.top.push(hit{row: f.Row, score: f.Score})
	}
	return to
}

// rerank gives candidates their true scores.
func (r *search) rerank(found []hnsw.Candidate) []hnsw.Candidate {
	v := r.snap.view
	if cap(r.rows) < scanBlock {
		r.rows = make([]uint32, scanBlock)
	}
	for from := 0; from < len(found); from += scanBlock {
		part := found[from:min(len(found), from+scanBlock)]
		rows, scores := r.rows[:len(part)], r.scores[:len(part)]
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
