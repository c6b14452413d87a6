package vector

import (
	"math"
	"math/rand/v2"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// withEachKernels runs the test once for each set this processor has. The
// tests that use it do not run in parallel, because the choice is global.
func withEachKernels(t *testing.T, test func(t *testing.T)) {
	for _, set := range availableKernels() {
		t.Run(set.String(), func(t *testing.T) {
			defer func(old kernelSet) { active = old }(active)
			active = set
			test(t)
		})
	}
}

// reference sums in float64 and also gives the sum of the magnitudes, which
// bounds the rounding error of any order of summation.
func reference(a, b []float32, term func(x, y float64) float64) (sum, magnitude float64) {
	for i := range a {
		v := term(float64(a[i]), float64(b[i]))
		sum += v
		magnitude += math.Abs(v)
	}
	return sum, magnitude
}

func product(x, y float64) float64 { return x * y }

func squaredDifference(x, y float64) float64 { return (x - y) * (x - y) }

// within is the tolerance: recursive summation of n float32 terms errs by less
// than (n+2)·2⁻²⁴ of the sum of magnitudes (Higham, "Accuracy and Stability of
// Numerical Algorithms", §4.2), the last two for the term itself; products
// below the normal range lose at most the smallest subnormal each.
func within(got float32, sum, magnitude float64, n int) bool {
	const (
		unit         = 0x1p-24
		maxFloat32   = math.MaxFloat32
		leastNonzero = 0x1p-149
	)
	if magnitude > maxFloat32 { // an accumulator may overflow; any answer is right
		return true
	}
	return math.Abs(float64(got)-sum) <= float64(n+2)*(unit*magnitude+leastNonzero)
}

func lengths() []int {
	out := []int{384, 768, 1536, 4096}
	for n := 1; n <= 67; n++ {
		out = append(out, n)
	}
	return out
}

// draws are the kinds of components that are tried.
var draws = map[string]func(*rand.Rand) float32{
	"normal": func(r *rand.Rand) float32 { return float32(r.NormFloat64()) },
	"wide":   func(r *rand.Rand) float32 { return float32(r.NormFloat64() * math.Exp2(float64(r.IntN(60)-30))) },
	"large":  func(r *rand.Rand) float32 { return float32(r.NormFloat64() * 1e17) },
	"denormal": func(r *rand.Rand) float32 {
		return math.Float32frombits(uint32(r.IntN(1<<23)) | uint32(r.IntN(2))<<31)
	},
	"denormal and large": func(r *rand.Rand) float32 {
		if r.IntN(2) == 0 {
			return math.Float32frombits(uint32(r.IntN(1 << 23)))
		}
		return float32(r.NormFloat64() * 1e18)
	},
	"zero": func(*rand.Rand) float32 { return 0 },
}

// unaligned draws n floats that begin off floats into an allocation, with NaN
// on both sides: a kernel that reads beyond either end gives itself away.
func unaligned(r *rand.Rand, n, off int, draw func(*rand.Rand) float32) []float32 {
	v := make([]float32, off+n+17)
	for i := range v {
		v[i] = float32(math.NaN())
	}
	v = v[off : off+n]
	for i := range v {
		v[i] = draw(r)
	}
	return v
}

func TestDistancesAgreeWithReference(t *testing.T) {
	withEachKernels(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		for name, draw := range draws {
			for _, n := range lengths() {
				for off := range 4 {
					a, b := unaligned(r, n, off, draw), unaligned(r, n, 2*off+1, draw)
					if sum, mag := reference(a, b, product); !within(Dot(a, b), sum, mag, n) {
						t.Errorf("%s, %d at %d: Dot is %v, want %v", name, n, off, Dot(a, b), sum)
					}
					if sum, mag := reference(a, b, squaredDifference); !within(SquaredEuclidean(a, b), sum, mag, n) {
						t.Errorf("%s, %d at %d: SquaredEuclidean is %v, want %v", name, n, off, SquaredEuclidean(a, b), sum)
					}
				}
			}
		}
	})
}

func TestManyRowsAgreeWithReference(t *testing.T) {
	withEachKernels(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 2))
		for _, dim := range lengths() {
			count := []int{1, 3, 4, 5, 9, 67, 131}[r.IntN(7)]
			q := unaligned(r, dim, 1, draws["normal"])
			base := unaligned(r, dim*count, 3, draws["normal"])
			rows := make([]uint32, count)
			for i := range rows {
				rows[i] = uint32(r.IntN(count))
			}
			chunks := Chunks{Shift: 2}
			for at := 0; at < count; at += 4 {
				chunks.Flat = append(chunks.Flat, base[at*dim:min(at+4, count)*dim])
			}
			for _, form := range []struct {
				name string
				run  func(out []float32)
				row  func(i int) uint32
				term func(x, y float64) float64
			}{
				{"DotRows", func(o []float32) { DotRows(q, base, o) }, func(i int) uint32 { return uint32(i) }, product},
				{"SquaredEuclideanRows", func(o []float32) { SquaredEuclideanRows(q, base, o) }, func(i int) uint32 { return uint32(i) }, squaredDifference},
				{"DotGather", func(o []float32) { DotGather(q, base, rows, o) }, func(i int) uint32 { return rows[i] }, product},
				{"SquaredEuclideanGather", func(o []float32) { SquaredEuclideanGather(q, base, rows, o) }, func(i int) uint32 { return rows[i] }, squaredDifference},
				{"Chunks.Dot", func(o []float32) { chunks.Dot(q, rows, o) }, func(i int) uint32 { return rows[i] }, product},
				{"Chunks.SquaredEuclidean", func(o []float32) { chunks.SquaredEuclidean(q, rows, o) }, func(i int) uint32 { return rows[i] }, squaredDifference},
			} {
				out := unaligned(r, count, 1, func(*rand.Rand) float32 { return float32(math.NaN()) })
				form.run(out)
				for i, got := range out {
					at := int(form.row(i)) * dim
					if sum, mag := reference(q, base[at:at+dim], form.term); !within(got, sum, mag, dim) {
						t.Fatalf("%s dim %d, %d rows: [%d] is %v, want %v", form.name, dim, count, i, got, sum)
					}
				}
				if after := out[:count+1][count]; !math.IsNaN(float64(after)) {
					t.Fatalf("%s dim %d, %d rows: wrote beyond out", form.name, dim, count)
				}
			}
		}
	})
}

func TestNonFiniteComesThrough(t *testing.T) {
	withEachKernels(t, func(t *testing.T) {
		inf := float32(math.Inf(1))
		for n := 1; n <= 67; n++ {
			for at := range n {
				a, b := make([]float32, n), make([]float32, n)
				a[at], b[at] = inf, 1
				if Dot(a, b) != inf || SquaredEuclidean(a, b) != inf {
					t.Fatalf("%d: infinity at %d is lost", n, at)
				}
			}
		}
	})
}

func TestRowsOutsideBasePanic(t *testing.T) {
	withEachKernels(t, func(t *testing.T) {
		q, out := make([]float32, 3), make([]float32, 4)
		for name, f := range map[string]func(){
			"Dot":       func() { Dot(q, out) },
			"Rows":      func() { DotRows(q, make([]float32, 11), out) },
			"Gather":    func() { DotGather(q, make([]float32, 11), []uint32{0, 1, 2, 3}, out) },
			"Euclidean": func() { SquaredEuclideanGather(q, make([]float32, 11), []uint32{0, 1, 2, 3}, out) },
			"Chunks":    func() { Chunks{Flat: [][]float32{make([]float32, 6)}, Shift: 1}.Dot(q, []uint32{2}, out) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: no panic", name)
					}
				}()
				f()
			}()
		}
	})
}

func TestChooseKernels(t *testing.T) {
	available := availableKernels()
	for _, set := range available {
		if got := chooseKernels(set.String()); got != set {
			t.Errorf("forced %s: got %s", set, got)
		}
	}
	if got := chooseKernels("abacus"); got != available[len(available)-1] {
		t.Errorf("unknown name: got %s, want the widest, %s", got, available[len(available)-1])
	}
	if Kernels() != active.String() {
		t.Errorf("Kernels is %q, active is %s", Kernels(), active)
	}
}

func FuzzKernelsAgree(f *testing.F) {
	f.Add([]byte{0, 0, 128, 63, 0, 0, 0, 64}, uint8(0))
	f.Add(make([]byte, 4*67*2), uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, off uint8) {
		n := len(data) / 8
		all := make([]float32, 2*n)
		DecodeF32LE(all, data[:8*n])
		if !AllFinite(all) {
			t.Skip("not finite")
		}
		i := 0
		next := func(*rand.Rand) float32 { i++; return all[i-1] }
		a, b := unaligned(nil, n, int(off%16), next), unaligned(nil, n, int(off/16), next)
		withEachKernels(t, func(t *testing.T) {
			if sum, mag := reference(a, b, product); !within(Dot(a, b), sum, mag, n) {
				t.Errorf("Dot is %v, want %v", Dot(a, b), sum)
			}
			if sum, mag := reference(a, b, squaredDifference); !within(SquaredEuclidean(a, b), sum, mag, n) {
				t.Errorf("SquaredEuclidean is %v, want %v", SquaredEuclidean(a, b), sum)
			}
			if n == 0 {
				return
			}
			out := make([]float32, 5)
			DotGather(a, b, make([]uint32, 5), out)
			for _, got := range out {
				if sum, mag := reference(a, b, product); !within(got, sum, mag, n) {
					t.Errorf("DotGather is %v, want %v", got, sum)
				}
			}
		})
	})
}
