package vector

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/engram-stream/engram/service/internal/memory"
)

// signRows codes every row, in chunks of 16.
func signRows(s *SignQuantizer, base []float32) (codes Codes, terms [][]SignTerms, flat []byte, flatTerms []SignTerms) {
	dim := s.Dim()
	rows := len(base) / dim
	codes = Codes{Shift: 4, Stride: s.Stride()}
	flat, flatTerms = NewCodeChunk(rows, s.Stride()), make([]SignTerms, rows)
	for at := 0; at < rows; at += 16 {
		codes.Flat = append(codes.Flat, flat[at*s.Stride():min(rows, at+16)*s.Stride()])
		terms = append(terms, flatTerms[at:min(rows, at+16)])
	}
	for i := range rows {
		v := base[i*dim : (i+1)*dim]
		flatTerms[i] = s.Encode(codes.Row(uint32(i)), v, InverseNorm(v))
	}
	return codes, terms, flat, flatTerms
}

// fromProduct is the score that an estimate of q′·x′ stands for.
func fromProduct(s *SignQuantizer, q, x []float32, product float64) float64 {
	cq, cx := length(centredOf(&s.centre, q)), length(centredOf(&s.centre, x))
	switch s.Metric() {
	case memory.MetricEuclidean:
		return 2*product - cq*cq - cx*cx
	case memory.MetricCosine:
		return 1 + (2*product-cq*cq-cx*cx)/2
	}
	mq, _ := reference(s.mean, q, product64)
	mx, _ := reference(s.mean, x, product64)
	return product + mq + mx - s.squared
}

func product64(x, y float64) float64 { return x * y }

// TestSignEstimatesAreAsDefined computes them from the definition, in float64,
// and holds their errors to what the type's comment says.
func TestSignEstimatesAreAsDefined(t *testing.T) {
	withEachKernels(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(21, 21))
		within, of := 0, 0
		for _, metric := range metrics {
			for _, dim := range []int{2, 3, 37, 64, 100, 384, 1023} {
				const rows = 70
				base := embeddings(r, rows, dim)
				s := FitSign(metric, dim, base)
				codes, terms, flat, flatTerms := signRows(s, base)
				row := func(i int) []float32 { return base[i*dim : (i+1)*dim] }
				order := make([]uint32, rows)
				for i := range order {
					order[i] = uint32((i * 31) % rows)
				}
				var q SignQuery
				for _, of := range []int{3, 7} { // twice: a query is made ready again
					s.Query(&q, row(of), InverseNorm(row(of)))
				}
				gathered, scanned, compared := make([]float32, rows), make([]float32, rows), make([]float32, rows)
				s.Estimates(codes, terms, &q, order, gathered)
				s.EstimateRows(flat, flatTerms, &q, scanned)
				s.Compare(codes, terms, codes.Row(7), flatTerms[7], order, compared)
				cq := centredOf(&s.centre, row(7))
				coarse := make([]float64, dim)
				residual := make([]float64, dim)
				for i, x := range cq {
					coarse[i] = q.step * math.RoundToEven(x/q.step)
					residual[i] = x - coarse[i]
				}
				for i, x := range order {
					cx := centredOf(&s.centre, row(int(x)))
					var signs, product, abs float64
					for j, v := range cx {
						sign := -1.0
						if v > 0 {
							sign = 1
						}
						signs += sign * coarse[j]
						product += cq[j] * v
						abs += math.Abs(v)
					}
					n := length(cx)
					scale := n * n / abs
					room := 1e-4 * (1 + length(cq)*n + s.squared + n*n + length(cq)*length(cq))
					got, want := float64(gathered[i]), fromProduct(s, row(7), row(int(x)), scale*signs)
					if math.Abs(got-want) > room+2*scale*q.step*0.01 || scanned[x] != gathered[i] {
						t.Fatalf("%s %d: gathered %v, scanned %v, want %v", metric, dim, got, scanned[x], want)
					}
					h := float64(hammingPortable(codes.Row(7), codes.Row(x)))
					sq := length(cq) * length(cq) / l1(cq)
					want = fromProduct(s, row(7), row(int(x)), sq*scale*2*float64(dim)/math.Pi*math.Cos(math.Pi*h/float64(dim)))
					if got := float64(compared[i]); math.Abs(got-want) > room*2 {
						t.Fatalf("%s %d: compared %v, want %v", metric, dim, got, want)
					}
					w := math.Sqrt(max(0, scale*scale*float64(dim)-n*n))
					across := math.Sqrt(max(0, length(cq)*length(cq)-product*product/(n*n)))
					limit := across*w + length(residual)*scale*math.Sqrt(float64(dim))
					err := math.Abs(scale*signs - product)
					if err > limit+room {
						t.Fatalf("%s %d: product %v errs by %v, the bound is %v", metric, dim, product, err, limit)
					}
					if dim >= 37 {
						of++
						if err <= 3*limit/math.Sqrt(float64(dim-1)) {
							within++
						}
					}
				}
			}
		}
		if share := float64(within) / float64(of); share < 0.99 {
			t.Errorf("%.4f of the errors are within three deviations", share)
		}
	})
}

func l1(v []float64) (s float64) {
	for _, x := range v {
		s += math.Abs(x)
	}
	return s
}

func TestSignsOfTheMean(t *testing.T) {
	sample := []float32{1, 2, 3, 1, 2, 3}
	for _, metric := range metrics {
		s := FitSign(metric, 3, sample)
		codes, terms, _, _ := signRows(s, sample)
		var q SignQuery
		s.Query(&q, sample[:3], InverseNorm(sample[:3]))
		out, two := make([]float32, 2), make([]float32, 2)
		s.Estimates(codes, terms, &q, []uint32{0, 1}, out)
		s.Compare(codes, terms, codes.Row(0), terms[0][0], []uint32{0, 1}, two)
		want := Score(metric, NewQuery(metric, sample[:3]), sample[:3], InverseNorm(sample[:3]))
		for _, got := range append(out, two...) {
			if math.Abs(float64(got-want)) > 1e-5 {
				t.Errorf("%s: %v, want %v", metric, got, want)
			}
		}
	}
}

func TestSignQuantizerMadeAnew(t *testing.T) {
	r := rand.New(rand.NewPCG(22, 22))
	base := embeddings(r, 40, 70)
	a := FitSign(memory.MetricDot, 70, base)
	b, err := NewSignQuantizer(memory.MetricDot, a.Mean())
	if err != nil {
		t.Fatal(err)
	}
	_, _, codesA, termsA := signRows(a, base)
	_, _, codesB, termsB := signRows(b, base)
	if string(codesA) != string(codesB) || termsA[5] != termsB[5] {
		t.Error("a quantiser made anew codes otherwise")
	}
}

// FuzzSigns reads a sample: its rows are coded, and the first is the query.
func FuzzSigns(f *testing.F) {
	f.Add(uint8(3), uint8(0), []byte("any bytes at all are taken as numbers, as long as they are finite"))
	f.Add(uint8(63), uint8(1), make([]byte, 64*4*2))
	f.Fuzz(func(t *testing.T, size, which uint8, data []byte) {
		dim := 1 + int(size)%70
		sample := make([]float32, len(data)/(4*dim)*dim)
		DecodeF32LE(sample, data[:4*len(sample)])
		if len(sample) == 0 || !AllFinite(sample) {
			t.Skip("no finite row")
		}
		s := FitSign(metrics[which%3], dim, sample)
		withEachKernels(t, func(t *testing.T) {
			codes, terms, flat, flatTerms := signRows(s, sample)
			rows := make([]uint32, len(flatTerms))
			for i := range rows {
				rows[i] = uint32(i)
			}
			var q SignQuery
			s.Query(&q, sample[:dim], InverseNorm(sample[:dim]))
			if q.sum < -queryReach*int32(dim) || q.sum > queryReach*int32(dim) {
				t.Fatalf("the numbers of a query sum to %d", q.sum)
			}
			gathered, scanned, compared := make([]float32, len(rows)), make([]float32, len(rows)), make([]float32, len(rows))
			s.Estimates(codes, terms, &q, rows, gathered)
			s.EstimateRows(flat, flatTerms, &q, scanned)
			s.Compare(codes, terms, codes.Row(0), flatTerms[0], rows, compared)
			for i := range rows {
				if gathered[i] != scanned[i] || gathered[i] != gathered[i] || compared[i] != compared[i] {
					t.Fatalf("row %d: gathered %v, scanned %v, compared %v", i, gathered[i], scanned[i], compared[i])
				}
			}
		})
	})
}

func TestQuantizersAllocateNothing(t *testing.T) {
	withEachKernels(t, func(t *testing.T) {
		base := embeddings(rand.New(rand.NewPCG(23, 23)), 64, 100)
		for _, metric := range metrics {
			bits, bytes := FitSign(metric, 100, base), FitScalar(metric, 100, base)
			codes, terms, flat, flatTerms := signRows(bits, base)
			u7 := Codes{Flat: [][]byte{NewCodeChunk(64, bytes.Stride())}, Shift: 6, Stride: bytes.Stride()}
			u7Terms := [][]float32{make([]float32, 64)}
			rows, out := []uint32{1, 2, 63, 5, 5}, make([]float32, 64)
			var q SignQuery
			bits.Query(&q, base[:100], 1)
			if n := testing.AllocsPerRun(100, func() {
				bits.Query(&q, base[:100], 1)
				bits.Encode(codes.Row(3), base[:100], 1)
				bits.Estimates(codes, terms, &q, rows, out)
				bits.EstimateRows(flat, flatTerms, &q, out)
				bits.Compare(codes, terms, codes.Row(0), flatTerms[0], rows, out)
				u7Terms[0][1] = bytes.Encode(u7.Row(1), base[:100], 1)
				bytes.Estimates(u7, u7Terms, u7.Row(1), u7Terms[0][1], rows, out)
				bytes.EstimateRows(u7.Flat[0], u7Terms[0], u7.Row(1), 0, out)
			}); n != 0 {
				t.Errorf("%s: %v allocations", metric, n)
			}
		}
	})
}
