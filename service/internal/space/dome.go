package space

import (
	"math"
	"runtime"
	"slices"

	"github.com/engram-stream/engram/service/internal/hnsw"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vector"
)

// dome is how rows are compared with each other under the dot product, which is
// no metric: the longest rows are closest to all others, and to the rows between
// them too, so that a graph made by it has few links, all of which lead to these.
// Each row is lifted by one more component, to the surface of a ball of radius R,
//
//	x·y + lift(x)·lift(y),  lift(x) = √max(0, R² − ‖x‖²)
//
// (Y. Bachrach et al., "Speeding Up the Xbox Recommender System Using a Euclidean
// Transformation for Inner-Product Spaces", RecSys 2014). A query has no lift, so
// that it meets the dot product itself. With the greatest norm for R, as there,
// the lifts say more than the rows where norms differ, and recall sinks to a
// tenth; R² is therefore the quantile of ‖x‖² below which nine in ten rows lie,
// and longer ones stay as they are. Short rows find each other then, and the few
// that are long, which most answers are, are linked by the dot product, as in
// ip-NSW (S. Morozov and A. Babenko, "Non-metric Similarity Graphs for Maximum
// Inner Product Search", NeurIPS 2018). The figures are in decision 0014.
type dome struct {
	square float64 // R²
	rows   int     // there were when it was fitted
}

const (
	// domeShare is the share of rows under the dome. Recall at the same number
	// of rows visited was alike for .8 to .95 on nine kinds of data, and worse
	// for more where rows are far from all others.
	domeShare = 0.9
	// domeRows is how many rows are looked at to fit one.
	domeRows = 4096
)

// fitDome fits a dome to a flat sample.
func fitDome(dim int, sample []float32) dome {
	squares := make([]float64, 0, len(sample)/dim)
	for row := range slices.Chunk(sample, dim) {
		squares = append(squares, squaredNorm(row))
	}
	return domeOver(squares)
}

// domeOver fits a dome to the squared norms of rows; the one over none is flat.
func domeOver(squares []float64) dome {
	if len(squares) == 0 {
		return dome{}
	}
	slices.Sort(squares)
	return dome{square: squares[int(domeShare*float64(len(squares)-1))]}
}

// squaredNorm is ‖v‖², at most what a float32 holds, so that no lift is infinite.
func squaredNorm(v []float32) float64 { return min(math.MaxFloat32, float64(vector.Dot(v, v))) }

// lift is the further component of a row.
func (d dome) lift(v []float32) float32 {
	return float32(math.Sqrt(max(0, d.square-squaredNorm(v))))
}

// fitDome fits the dome by which the vectors of the first so many rows of a view
// are compared while there are no codes, if that is due: at first, and when the
// rows have grown fourfold. It need not be the one that rows which are in the
// graph were linked by: links stay good enough when it grows, and a start fits it
// anew. table.indexing is held.
func (t *table) fitDome(metric memory.Metric, v *view, rows, dim int) {
	if metric != memory.MetricDot || rows == 0 || rows < codeGrowth*t.dome.rows {
		return
	}
	n := min(rows, domeRows)
	squares := make([]float64, 0, n)
	for i := range n {
		if row := uint32(uint64(i) * uint64(rows) / uint64(n)); !v.emptied(row) {
			squares = append(squares, squaredNorm(v.vec(row, dim)))
		}
	}
	runtime.KeepAlive(v)
	t.dome = domeOver(squares)
	t.dome.rows = rows
}

// kin are codes that rows are compared with each other by, and kinByVectors says
// that it is done by the vectors: in a query, they tell it from one of a recall.
// The query's InvNorm, of which the dot product makes no use, is the row's lift.
type (
	kin          codes
	kinByVectors struct{}
)

// kinOf is QueryOf under the dot product.
func (c scorer) kinOf(row uint32) hnsw.Query {
	if cs := c.table.codes[wideKind].Load(); cs != nil {
		at, in := row>>chunkShift, row&chunkMask
		return hnsw.Query{Codes: (*kin)(cs), Code: cs.codes.Row(row), Term: cs.terms[at][in], InvNorm: cs.lifts[at][in]}
	}
	v := c.table.view.Load().vec(row, c.dim)
	return hnsw.Query{Codes: kinByVectors{}, Vector: v, InvNorm: c.table.dome.lift(v)}
}

// scoreRows compares rows by code. They are in the graph, and all of these had
// codes when the query was made.
func (k *kin) scoreRows(q hnsw.Query, rows []uint32, out []float32) {
	k.quantizer.Estimates(k.codes, k.terms, q.Code, q.Term, rows, out)
	for i, row := range rows {
		out[i] += float32(q.InvNorm * k.lifts[row>>chunkShift][row&chunkMask])
	}
	runtime.KeepAlive(k)
}

// scoreKin compares rows by their vectors. table.indexing is held.
func (c scorer) scoreKin(q hnsw.Query, rows []uint32, out []float32) {
	v := c.table.view.Load()
	v.vectors.Dot(q.Vector, rows, out)
	if q.InvNorm > 0 {
		for i, row := range rows {
			out[i] += float32(q.InvNorm * c.table.dome.lift(v.vec(row, c.dim)))
		}
	}
	runtime.KeepAlive(v)
}
