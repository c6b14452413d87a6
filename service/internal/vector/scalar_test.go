package vector

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// embeddings draws rows that look like a model's output: a mean that is long
// in a few components, the same spread everywhere, and a few outliers.
func embeddings(r *rand.Rand, rows, dim int) []float32 {
	mean := make([]float32, dim)
	for i := range mean {
		mean[i] = float32(r.NormFloat64() * r.ExpFloat64() / 2)
	}
	out := unaligned(r, rows*dim, 1, draws["normal"])
	for i := range out {
		if r.IntN(200) == 0 {
			out[i] *= 3
		}
		out[i] += mean[i%dim]
	}
	return out
}

// centredOf is v′ in float64.
func centredOf(c *centre, v []float32) []float64 {
	out := make([]float64, len(v))
	f := float64(c.factor(InverseNorm(v)))
	for i, x := range v {
		out[i] = f*float64(x) - float64(c.mean[i])
	}
	return out
}

func length(v []float64) float64 {
	var s float64
	for _, x := range v {
		s += x * x
	}
	return math.Sqrt(s)
}

func TestEncodersAgreeBitForBit(t *testing.T) {
	withEachKernels(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 11))
		for kind, draw := range draws {
			for _, dim := range codeDims() {
				v, mean := unaligned(r, dim, r.IntN(16), draw), unaligned(r, dim, r.IntN(16), draw)
				if r.IntN(4) == 0 {
					mean = v // every component on the threshold
				}
				factor, inverse := float32(math.Exp2(r.NormFloat64()*3)), float32(math.Exp2(r.NormFloat64()*6))
				got, want := make([]byte, dim), make([]byte, dim)
				gotSum, wantSum := encodeU7(v, mean, factor, inverse, got), encodeU7Portable(v, mean, factor, inverse, want)
				if string(got) != string(want) || gotSum != wantSum {
					t.Fatalf("%s, %d: codes differ, or sums %d and %d", kind, dim, gotSum, wantSum)
				}
				got, want = make([]byte, SignStride(dim)+1), make([]byte, SignStride(dim)+1)
				encodeSigns(v, mean, factor, got)
				encodeSignsPortable(v, mean, factor, want)
				if string(got) != string(want) {
					t.Fatalf("%s, %d: signs differ", kind, dim)
				}
			}
		}
	})
}

func TestRoundingIsToNearestEven(t *testing.T) {
	withEachKernels(t, func(t *testing.T) {
		inf, nan := float32(math.Inf(1)), float32(math.NaN())
		v := []float32{-62.5, -61.5, -1.5, -0.5, 0, 0.5, 1.5, 2.5, 62.5, 62.49, 1e30, -1e30, inf, -inf, nan, 63.4}
		want := []byte{2, 2, 62, 64, 64, 64, 66, 66, 126, 126, 127, 1, 127, 1, 1, 127}
		got := make([]byte, len(v))
		encodeU7(v, make([]float32, len(v)), 1, 1, got)
		if string(got) != string(want) {
			t.Errorf("codes are %v, want %v", got, want)
		}
	})
}

func TestMomentsAgreeWithReference(t *testing.T) {
	withEachKernels(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(12, 12))
		for _, dim := range codeDims() {
			v, mean := unaligned(r, dim, 3, draws["normal"]), unaligned(r, dim, 5, draws["normal"])
			abs, squares := centredMoments(v, mean, 0.5)
			var a, s float64
			for i, x := range v {
				d := 0.5*float64(x) - float64(mean[i])
				a += math.Abs(d)
				s += d * d
			}
			if math.Abs(float64(abs)/a-1) > 1e-5 || math.Abs(float64(squares)/s-1) > 1e-5 {
				t.Fatalf("%d: %v and %v, want %v and %v", dim, abs, squares, a, s)
			}
		}
	})
}

// TestScalarEstimatesKeepTheirBounds holds every estimate to what the type's
// comment promises of it, and every form of it to the others.
func TestScalarEstimatesKeepTheirBounds(t *testing.T) {
	withEachKernels(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(13, 13))
		for _, metric := range metrics {
			for _, dim := range []int{2, 3, 37, 64, 100, 384, 1023} {
				const rows = 70
				base := embeddings(r, rows, dim)
				s := FitScalar(metric, dim, base)
				codes, terms := Codes{Shift: 4, Stride: s.Stride()}, [][]float32{}
				flat, flatTerms := NewCodeChunk(rows, s.Stride()), make([]float32, rows)
				for at := 0; at < rows; at += 16 {
					codes.Flat = append(codes.Flat, flat[at*s.Stride():min(rows, at+16)*s.Stride()])
					terms = append(terms, flatTerms[at:min(rows, at+16)])
				}
				v := func(i int) []float32 { return base[i*dim : (i+1)*dim] }
				order := make([]uint32, rows)
				for i := range rows {
					order[i] = uint32((i * 31) % rows)
					flatTerms[i] = s.Encode(codes.Row(uint32(i)), v(i), InverseNorm(v(i)))
				}
				q, qTerm := codes.Row(7), flatTerms[7]
				eq := s.Residual(q, v(7), InverseNorm(v(7)))
				gathered, scanned := make([]float32, rows), make([]float32, rows)
				s.Estimates(codes, terms, q, qTerm, order, gathered)
				s.EstimateRows(flat, flatTerms, q, qTerm, scanned)
				for i, row := range order {
					got := float64(gathered[i])
					one := s.Estimate(q, qTerm, codes.Row(row), flatTerms[row])
					if scanned[row] != gathered[i] || one != gathered[i] {
						t.Fatalf("%s %d: estimates of one row are %v, %v and %v", metric, dim, gathered[i], scanned[row], one)
					}
					checkScalarBound(t, s, v(7), eq, v(int(row)), codes.Row(row), got)
				}
			}
		}
	})
}

func checkScalarBound(t *testing.T, s *ScalarQuantizer, q []float32, eq float64, v []float32, code []byte, got float64) {
	t.Helper()
	e := s.Residual(code, v, InverseNorm(v))
	cq, cv := centredOf(&s.centre, q), centredOf(&s.centre, v)
	var d2, product float64
	clipped := false
	coded := make([]float64, len(cv))
	for i := range cv {
		d2 += (cq[i] - cv[i]) * (cq[i] - cv[i])
		product += float64(q[i]) * float64(v[i])
		coded[i] = float64(s.scale) * float64(int(code[i])-u7Middle)
		clipped = clipped || math.Abs(cv[i]) > (u7Reach+0.5)*float64(s.scale)
	}
	if limit := float64(s.scale) / 2 * math.Sqrt(float64(len(cv))); !clipped && e > limit*1.0001 {
		t.Fatalf("residual is %v, above %v, and nothing was clipped", e, limit)
	}
	// Estimates are float32, and so are f·v and, under dot, the terms.
	var err, limit float64
	switch s.metric {
	case memory.MetricEuclidean:
		err, limit = math.Abs(math.Sqrt(max(0, -got))-math.Sqrt(d2)), eq+e
	case memory.MetricCosine:
		err, limit = math.Abs(math.Sqrt(max(0, 2-2*got))-math.Sqrt(d2)), eq+e+1e-3
	default:
		err = math.Abs(got - product)
		limit = length(cq)*e + length(coded)*eq + 1e-5*(math.Abs(product)+s.squared+length(cv)*length(cq))
	}
	if err > limit*1.0001+1e-6 {
		t.Fatalf("%s of %d: estimate %v errs by %v, the bound is %v", s.metric, len(q), got, err, limit)
	}
}

func TestScalarFit(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 14))
	base := embeddings(r, 500, 24)
	a, b := FitScalar(memory.MetricDot, 24, base), FitScalar(memory.MetricDot, 24, base)
	if a.Scale() != b.Scale() || Dot(a.Mean(), a.Mean()) != Dot(b.Mean(), b.Mean()) {
		t.Error("two fits to one sample differ")
	}
	if a.Dim() != 24 || a.Metric() != memory.MetricDot {
		t.Errorf("dimension %d, metric %s", a.Dim(), a.Metric())
	}
	c, err := NewScalarQuantizer(memory.MetricDot, a.Mean(), a.Scale())
	if err != nil {
		t.Fatal(err)
	}
	x, y := NewCodeChunk(1, a.Stride()), NewCodeChunk(1, a.Stride())
	if tx, ty := a.Encode(x, base[:24], 1), c.Encode(y, base[:24], 1); string(x) != string(y) || tx != ty {
		t.Error("a quantiser made anew codes otherwise")
	}
	// Most components at 1, one in a thousand at 50: clipping pays.
	outliers := make([]float32, 10_000)
	for i := range outliers {
		outliers[i] = float32(1 - 2*(i%2))
		if i%1000 < 2 {
			outliers[i] *= 50
		}
	}
	if s := FitScalar(memory.MetricEuclidean, 2, outliers); s.Scale() >= 50.0/u7Reach {
		t.Errorf("scale is %v: outliers were not clipped", s.Scale())
	}
	for name, sample := range map[string][]float32{
		"constant": {3, 4, 3, 4}, "zero": {0, 0}, "denormal": {1e-45, 0, 0, 1e-45},
		"huge": {math.MaxFloat32, -math.MaxFloat32, -math.MaxFloat32, math.MaxFloat32},
	} {
		for _, metric := range metrics {
			s := FitScalar(metric, 2, sample)
			code := NewCodeChunk(1, s.Stride())
			term := s.Encode(code, sample[:2], InverseNorm(sample[:2]))
			if got := float64(s.Estimate(code, term, code, term)); got != got {
				t.Errorf("%s, %s: the estimate is NaN", name, metric)
			}
			if _, err := NewScalarQuantizer(metric, s.Mean(), s.Scale()); err != nil {
				t.Errorf("%s, %s: what was fitted is refused: %v", name, metric, err)
			}
		}
	}
	if !panics(func() { FitScalar(memory.MetricDot, 3, make([]float32, 4)) }) || !panics(func() { FitSign(memory.MetricDot, 3, nil) }) {
		t.Error("a ragged or an empty sample is taken")
	}
}

func TestQuantizersRefuse(t *testing.T) {
	nan := float32(math.NaN())
	for name, make := range map[string]func() error{
		"no mean": func() error { _, err := NewScalarQuantizer(memory.MetricDot, nil, 1); return err },
		"long mean": func() error {
			_, err := NewSignQuantizer(memory.MetricDot, make([]float32, MaxDimension+1))
			return err
		},
		"NaN mean":   func() error { _, err := NewSignQuantizer(memory.MetricDot, []float32{nan}); return err },
		"zero scale": func() error { _, err := NewScalarQuantizer(memory.MetricDot, []float32{1}, 0); return err },
		"NaN scale":  func() error { _, err := NewScalarQuantizer(memory.MetricDot, []float32{1}, nan); return err },
		"vast scale": func() error {
			_, err := NewScalarQuantizer(memory.MetricDot, []float32{1}, math.MaxFloat32)
			return err
		},
		"minute scale": func() error { _, err := NewScalarQuantizer(memory.MetricDot, []float32{1}, 1e-40); return err },
	} {
		var f *fault.Error
		if err := make(); !errors.As(err, &f) || f.Code != fault.InvalidArgument {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// FuzzScalar reads a sample, whose first two rows are compared.
func FuzzScalar(f *testing.F) {
	f.Add(uint8(3), uint8(0), []byte("any bytes at all are taken as numbers, as long as they are finite"))
	f.Add(uint8(15), uint8(1), make([]byte, 16*4*2))
	f.Fuzz(func(t *testing.T, size, which uint8, data []byte) {
		dim := 1 + int(size)%70
		sample := make([]float32, len(data)/(4*dim)*dim)
		DecodeF32LE(sample, data[:4*len(sample)])
		if len(sample) < 2*dim || !AllFinite(sample) {
			t.Skip("no two finite rows")
		}
		metric := metrics[which%3]
		q, v := sample[:dim], sample[dim:2*dim]
		s := FitScalar(metric, dim, sample)
		cq, cv := NewCodeChunk(1, s.Stride()), NewCodeChunk(1, s.Stride())
		withEachKernels(t, func(t *testing.T) {
			tq, tv := s.Encode(cq, q, InverseNorm(q)), s.Encode(cv, v, InverseNorm(v))
			got := float64(s.Estimate(cq, tq, cv, tv))
			if got != got {
				t.Fatalf("%s: the estimate is NaN", metric)
			}
			for _, c := range cv[:dim] {
				if c < u7Middle-u7Reach || c > u7Middle+u7Reach {
					t.Fatalf("code %d", c)
				}
			}
			// Where float32 arithmetic is far from its ends the bounds hold.
			most := 0.0
			for _, x := range sample {
				most = max(most, math.Abs(float64(x)))
			}
			if most < 1e15 && most > 1e-15 && InverseNorm(q) > 0 && InverseNorm(v) > 0 && InverseNorm(q) < 1e15 && InverseNorm(v) < 1e15 {
				checkFuzzBound(t, s, q, s.Residual(cq, q, InverseNorm(q)), v, cv, got, most)
			}
		})
	})
}

// checkFuzzBound leaves room for rounding where components differ vastly in
// size, as they do not among embeddings.
func checkFuzzBound(t *testing.T, s *ScalarQuantizer, q []float32, eq float64, v []float32, code []byte, got, most float64) {
	if s.metric != memory.MetricEuclidean {
		return
	}
	d2, _ := reference(q, v, squaredDifference)
	err := math.Abs(math.Sqrt(max(0, -got)) - math.Sqrt(d2))
	if limit := eq + s.Residual(code, v, 1) + 1e-5*most*float64(len(q)); err > limit {
		t.Fatalf("estimate %v errs by %v, the bound is %v", got, err, limit)
	}
}
