package vector

import (
	"math"

	"github.com/engram-stream/engram/service/internal/memory"
)

// SignQuantizer makes 1-bit codes of vectors and estimates scores from them.
// With v′ = f·v − m (f is 1/‖v‖ under cosine and 1 otherwise, m the mean of the
// space) the bit of component i is set if v′ᵢ > 0. Let x be the row, σ its
// signs ±1, and q the query. Then
//
//	q′·x′ ≈ S·(q̂·σ),  S = ‖x′‖²/‖x′‖₁
//
// where q̂ is q′ rounded to 4 bits, so that q̂·σ is an integer times a step. It
// is the estimator of RaBitQ (Gao and Long, SIGMOD 2024), without its random
// rotation: S·σ is x′ and something orthogonal to it, so that the error is
// none along x′ and spreads evenly elsewhere. Of this the scores (see [Score])
// are estimated as
//
//	euclidean  2·S·(q̂·σ) − ‖x′‖² − ‖q′‖²
//	cosine     1 + ½·(the same)
//	dot        S·(q̂·σ) + m·x + m·q − ‖m‖²
//
// and a row carries S and, as [SignTerms.Offset], ‖x′‖² or under dot m·x.
//
// A query in 4 bits rather than one made recall@10 of 100 candidates .81 in
// place of .45 on image descriptors of 128 components, and that of 50 .996 in
// place of .966 on text embeddings of 384, for 2 ns a row. Two codes without
// a query ([SignQuantizer.Compare]) give, h being the number of bits in which
// they differ and n = S·√(2·dim/π) their ‖x′‖ had it a normal distribution,
//
//	a′·b′ ≈ nₐ·n_b·cos(π·h/dim)
//
// (Charikar, STOC 2002).
//
// The error of S·(q̂·σ), with w = √(S²·dim − ‖x′‖²), e = ‖q′ − q̂‖ and q⊥ the
// part of q′ that is orthogonal to x′, is at most ‖q⊥‖·w + e·S·√dim, and were
// the directions random it would lie within 3·(‖q⊥‖·w + e·S·√dim)/√(dim−1)
// in 99.7 % of cases. Whether that is good enough for a space has to be
// measured on it.
//
// A quantiser does not change: any number of goroutines may use it.
type SignQuantizer struct {
	centre
	cosines []float32 // cosines[h] = (2·dim/π)·cos(π·h/dim), for every h a code's bytes can give
}

// SignTerms is what a row carries with its 1-bit code.
type SignTerms struct {
	Scale  float32 // ‖x′‖²/‖x′‖₁, 0 for the mean itself
	Offset float32 // m·x under dot, ‖x′‖² otherwise
}

// NewSignQuantizer makes the quantiser with the given mean, which it copies.
// It errs with an [fault.Error] if that cannot be one.
func NewSignQuantizer(metric memory.Metric, mean []float32) (*SignQuantizer, error) {
	c, err := newCentre(metric, mean)
	if err != nil {
		return nil, err
	}
	return withCosines(c), nil
}

// FitSign fits a quantiser to a sample, as [FitScalar] does.
func FitSign(metric memory.Metric, dim int, sample []float32) *SignQuantizer {
	return withCosines(fitCentre(metric, dim, sample))
}

func withCosines(c centre) *SignQuantizer {
	s := &SignQuantizer{centre: c, cosines: make([]float32, 8*SignStride(len(c.mean))+1)}
	dim := float64(len(c.mean))
	for h := range s.cosines {
		s.cosines[h] = float32(2 * dim / math.Pi * math.Cos(math.Pi*min(1, float64(h)/dim)))
	}
	return s
}

// Stride is the size of a code in bytes.
func (s *SignQuantizer) Stride() int { return SignStride(len(s.mean)) }

// Encode writes the code of v, of Dim finite components, to dst, of Stride
// bytes, and returns what belongs to it. invNorm is 1/‖v‖ ([InverseNorm]);
// only the cosine metric looks at it.
func (s *SignQuantizer) Encode(dst []byte, v []float32, invNorm float32) SignTerms {
	mustMatch(len(v), len(s.mean))
	mustMatch(len(dst), s.Stride())
	clear(dst)
	f := s.factor(invNorm)
	encodeSigns(v, s.mean, f, dst)
	abs, squares := centredMoments(v, s.mean, f)
	var t SignTerms
	if abs > 0 {
		t.Scale = finite(float64(squares) / float64(abs))
	}
	t.Offset = s.offset(v, squares)
	return t
}

func (s *SignQuantizer) offset(v []float32, squares float32) float32 {
	if s.metric == memory.MetricDot {
		return finite(float64(dot(s.mean, v)))
	}
	return finite(float64(squares))
}

// linear gives the score as a·(q′·x′) + b·(offset of the row) + c; offset is
// that of the query.
func (s *SignQuantizer) linear(offset float32) (a, b, c float64) {
	switch s.metric {
	case memory.MetricCosine:
		return 1, -0.5, 1 - float64(offset)/2
	case memory.MetricDot:
		return 1, 1, float64(offset) - s.squared
	default:
		return 2, -1, -float64(offset)
	}
}

// Compare sets out[i] to the estimate, from the bits alone, of the score of
// the row with code and terms t and row rows[i] of codes; terms are in chunks
// as the codes are.
func (s *SignQuantizer) Compare(codes Codes, terms [][]SignTerms, code []byte, t SignTerms, rows []uint32, out []float32) {
	mustMatch(codes.Stride, s.Stride())
	a, b, c := s.linear(t.Offset)
	a *= float64(t.Scale)
	out = out[:len(rows)]
	var sums [block]int32
	for len(rows) > 0 {
		n := min(block, len(rows))
		codes.gather(hamming, code, rows[:n], sums[:n])
		for i, r := range rows[:n] {
			x := terms[r>>codes.Shift][r&(1<<codes.Shift-1)]
			out[i] = float32(a*float64(x.Scale)*float64(s.cosines[sums[i]]) + b*float64(x.Offset) + c)
		}
		rows, out = rows[n:], out[n:]
	}
}
