package vector

import (
	"math"

	"github.com/engram-stream/engram/service/internal/memory"
)

// Query is a vector that rows are compared with. InvNorm is 1/‖Vector‖ and
// needed under the cosine metric only; [NewQuery] sets it.
type Query struct {
	Vector  []float32
	InvNorm float32
	// Code and Term are the vector's 7-bit code, for those who compare codes,
	// and Codes is what it is a code of: whoever made it knows the type.
	Code  []byte
	Term  float32
	Codes any
}

// NewQuery makes the query form of v, which it keeps and does not change.
func NewQuery(metric memory.Metric, v []float32) Query {
	if metric == memory.MetricCosine {
		return Query{Vector: v, InvNorm: InverseNorm(v)}
	}
	return Query{Vector: v, InvNorm: 1}
}

// A score ranks rows: higher is closer. It is
//
//	cosine     q·r / (‖q‖‖r‖)
//	dot        q·r
//	euclidean  −‖q−r‖²
//
// and [Similarity] makes of it what a user is shown.

// Score returns the score of one row. rowInvNorm is 1/‖row‖ ([InverseNorm]);
// only the cosine metric looks at it, and 1 is right for unit rows.
func Score(metric memory.Metric, q Query, row []float32, rowInvNorm float32) float32 {
	switch metric {
	case memory.MetricCosine:
		return Dot(q.Vector, row) * (q.InvNorm * rowInvNorm)
	case memory.MetricEuclidean:
		return -SquaredEuclidean(q.Vector, row)
	default:
		return Dot(q.Vector, row)
	}
}

// ScoreGather sets out[i] to the score of row rows[i] of the flat base.
// invNorms is indexed by row; nil under the cosine metric says that every row
// is of unit length. The other metrics ignore it.
func ScoreGather(metric memory.Metric, q Query, base, invNorms []float32, rows []uint32, out []float32) {
	out = out[:len(rows)]
	if metric == memory.MetricEuclidean {
		SquaredEuclideanGather(q.Vector, base, rows, out)
		negate(out)
		return
	}
	DotGather(q.Vector, base, rows, out)
	if metric == memory.MetricCosine {
		scale(q, invNorms, rows, out)
	}
}

// Score sets out[i] to the score of row rows[i]; invNorms as in [ScoreGather],
// in chunks of one float for each row.
func (c Chunks) Score(metric memory.Metric, q Query, invNorms [][]float32, rows []uint32, out []float32) {
	out = out[:len(rows)]
	if metric == memory.MetricEuclidean {
		c.SquaredEuclidean(q.Vector, rows, out)
		negate(out)
		return
	}
	c.Dot(q.Vector, rows, out)
	if metric != memory.MetricCosine {
		return
	}
	if invNorms == nil {
		scale(q, nil, rows, out)
		return
	}
	for i, r := range rows {
		out[i] *= q.InvNorm * invNorms[r>>c.Shift][r&(1<<c.Shift-1)]
	}
}

// ScoreRows sets out[i] to the score of row i of the flat rows, i < len(out);
// invNorms[i] belongs to row i, and nil says unit length.
func ScoreRows(metric memory.Metric, q Query, rows, invNorms, out []float32) {
	switch metric {
	case memory.MetricEuclidean:
		SquaredEuclideanRows(q.Vector, rows, out)
		negate(out)
	case memory.MetricCosine:
		DotRows(q.Vector, rows, out)
		if invNorms == nil {
			for i := range out {
				out[i] *= q.InvNorm
			}
			return
		}
		for i := range out {
			out[i] *= q.InvNorm * invNorms[i]
		}
	default:
		DotRows(q.Vector, rows, out)
	}
}

// Similarity turns a score into the number a user sees: the cosine, clamped to
// −1..1 because rounding may leave that range; the inner product as it is; or
// 1/(1+distance), in 0..1.
func Similarity(metric memory.Metric, score float32) float32 {
	switch metric {
	case memory.MetricCosine:
		return max(-1, min(1, score))
	case memory.MetricEuclidean:
		return float32(1 / (1 + math.Sqrt(max(0, -float64(score)))))
	default:
		return score
	}
}

func negate(v []float32) {
	for i := range v {
		v[i] = -v[i]
	}
}

func scale(q Query, invNorms []float32, rows []uint32, out []float32) {
	if invNorms == nil {
		for i := range out {
			out[i] *= q.InvNorm
		}
		return
	}
	for i, r := range rows {
		out[i] *= q.InvNorm * invNorms[r]
	}
}
