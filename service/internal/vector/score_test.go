package vector

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/engram-stream/engram/service/internal/memory"
)

var metrics = []memory.Metric{memory.MetricCosine, memory.MetricDot, memory.MetricEuclidean}

// similarityByDefinition is memory.Metric's definition, in float64.
func similarityByDefinition(metric memory.Metric, a, b []float32) float64 {
	ab, _ := reference(a, b, product)
	aa, _ := reference(a, a, product)
	bb, _ := reference(b, b, product)
	d2, _ := reference(a, b, squaredDifference)
	switch metric {
	case memory.MetricCosine:
		return ab / math.Sqrt(aa*bb)
	case memory.MetricEuclidean:
		return 1 / (1 + math.Sqrt(d2))
	default:
		return ab
	}
}

func TestScoresGiveSimilaritiesByDefinition(t *testing.T) {
	const dim, count = 37, 21
	withEachKernels(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 5))
		v := unaligned(r, dim, 0, draws["normal"])
		base := unaligned(r, dim*count, 0, draws["normal"])
		chunks, invChunks := Chunks{Shift: 3}, [][]float32{}
		invNorms, rows := make([]float32, count), make([]uint32, count)
		for i := range rows {
			rows[i] = uint32(count - 1 - i)
			invNorms[i] = InverseNorm(base[i*dim : (i+1)*dim])
		}
		for at := 0; at < count; at += 8 {
			chunks.Flat = append(chunks.Flat, base[at*dim:min(at+8, count)*dim])
			invChunks = append(invChunks, invNorms[at:min(at+8, count)])
		}
		for _, metric := range metrics {
			q := NewQuery(metric, v)
			gathered, chunked, flat := make([]float32, count), make([]float32, count), make([]float32, count)
			ScoreGather(metric, q, base, invNorms, rows, gathered)
			chunks.Score(metric, q, invChunks, rows, chunked)
			ScoreRows(metric, q, base, invNorms, flat)
			for i, row := range rows {
				vec := base[int(row)*dim : int(row+1)*dim]
				want := similarityByDefinition(metric, v, vec)
				for form, score := range map[string]float32{
					"Score": Score(metric, q, vec, invNorms[row]), "ScoreGather": gathered[i],
					"Chunks.Score": chunked[i], "ScoreRows": flat[row],
				} {
					if got := Similarity(metric, score); math.Abs(float64(got)-want) > 1e-5*(1+math.Abs(want)) {
						t.Errorf("%s %s row %d: %v, want %v", metric, form, row, got, want)
					}
				}
			}
		}
	})
}

func TestUnitRowsNeedNoNorms(t *testing.T) {
	q := NewQuery(memory.MetricCosine, []float32{3, 0})
	rows := []float32{1, 0, 0, 1, -1, 0, 0.6, 0.8}
	want := []float32{1, 0, -1, 0.6}
	gathered, chunked, flat := make([]float32, 4), make([]float32, 4), make([]float32, 4)
	ScoreGather(memory.MetricCosine, q, rows, nil, []uint32{0, 1, 2, 3}, gathered)
	Chunks{Flat: [][]float32{rows}, Shift: 2}.Score(memory.MetricCosine, q, nil, []uint32{0, 1, 2, 3}, chunked)
	ScoreRows(memory.MetricCosine, q, rows, nil, flat)
	for i := range want {
		for _, got := range []float32{gathered[i], chunked[i], flat[i]} {
			if math.Abs(float64(got-want[i])) > 1e-6 {
				t.Errorf("row %d: %v, want %v", i, got, want[i])
			}
		}
	}
}

func TestSimilarityBounds(t *testing.T) {
	for _, tc := range []struct {
		metric      memory.Metric
		score, want float32
	}{
		{memory.MetricCosine, 1.0000002, 1},
		{memory.MetricCosine, -1.0000002, -1},
		{memory.MetricDot, 17, 17},
		{memory.MetricEuclidean, 0, 1},
		{memory.MetricEuclidean, -9, 0.25},
		{memory.MetricEuclidean, 1e-9, 1},
	} {
		if got := Similarity(tc.metric, tc.score); got != tc.want {
			t.Errorf("%s of %v: %v, want %v", tc.metric, tc.score, got, tc.want)
		}
	}
}

func TestNorms(t *testing.T) {
	for _, tc := range []struct {
		v             []float32
		norm, inverse float32
	}{
		{[]float32{3, 4}, 5, 0.2},
		{[]float32{0, 0, 0}, 0, 0},
		{nil, 0, 0},
		{[]float32{3e30, 4e30, 0}, 5e30, 2e-31}, // squares beyond float32
		{[]float32{3e-30, 4e-30}, 5e-30, 2e29},
		{[]float32{math.SmallestNonzeroFloat32}, math.SmallestNonzeroFloat32, math.MaxFloat32},
	} {
		n, inv := Norm(tc.v), InverseNorm(tc.v)
		if math.Abs(float64(n/tc.norm-1)) > 1e-6 || math.Abs(float64(inv/tc.inverse-1)) > 1e-6 {
			t.Errorf("%v: norm %v, inverse %v, want %v, %v", tc.v, n, inv, tc.norm, tc.inverse)
		}
	}
}

func TestAllFinite(t *testing.T) {
	v := []float32{0, -1, math.MaxFloat32, math.SmallestNonzeroFloat32}
	if !AllFinite(v) || !AllFinite(nil) {
		t.Error("finite vectors are called not finite")
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		for i := range v {
			w := append([]float32(nil), v...)
			w[i] = float32(bad)
			if AllFinite(w) {
				t.Errorf("%v is called finite", w)
			}
		}
	}
}

func TestManyRowsAllocateNothing(t *testing.T) {
	withEachKernels(t, func(t *testing.T) {
		q, base, rows, out := make([]float32, 33), make([]float32, 33*9), make([]uint32, 9), make([]float32, 9)
		if n := testing.AllocsPerRun(100, func() {
			DotGather(q, base, rows, out)
			SquaredEuclideanRows(q, base, out)
			out[0] += Dot(q, base[:33])
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}
