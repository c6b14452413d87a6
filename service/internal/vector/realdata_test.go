package vector

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/engram-stream/engram/service/internal/memory"
)

// sharedData reads a file of the real data that lies beside the module, or
// skips the test.
func sharedData(t *testing.T, name string) []byte {
	t.Helper()
	path := filepath.Join("..", "..", "..", "..", "shared", "data", filepath.FromSlash(name))
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		t.Skipf("real data is absent: ../shared/data/%s, from the module's root", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func sharedFloats(t *testing.T, name string) []float32 {
	t.Helper()
	data := sharedData(t, name)
	out := make([]float32, len(data)/BytesF32)
	DecodeF32LE(out, data)
	return out
}

// closest gives the rows with the n highest scores, of equal ones the first.
func closest(scores []float32, rows []int, n int) []int {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b int) int {
		if c := cmp.Compare(scores[b], scores[a]); c != 0 {
			return c
		}
		return a - b
	})
	return rows[:min(n, len(rows))]
}

// ways are those in which codes choose candidates.
var ways = [3]string{"7-bit codes", "1-bit codes and a 4-bit query", "1-bit codes alone"}

// codeRecall chooses candidates in each way, ranks them anew by float32, and
// returns recall@10 for each number of candidates.
func codeRecall(metric memory.Metric, dim int, base, queries []float32, candidates []int) [][len(ways)]float64 {
	const k = 10
	rows, count := len(base)/dim, len(queries)/dim
	u7, sign := FitScalar(metric, dim, base), FitSign(metric, dim, base)
	codes, terms := NewCodeChunk(rows, u7.Stride()), make([]float32, rows)
	signs, signTerms, flat, flatTerms := signRows(sign, base)
	order, norms, all := make([]uint32, rows), make([]float32, rows), make([]int, rows)
	for i := range rows {
		v := base[i*dim : (i+1)*dim]
		all[i], order[i], norms[i] = i, uint32(i), InverseNorm(v)
		terms[i] = u7.Encode(codes[i*u7.Stride():(i+1)*u7.Stride()], v, norms[i])
	}
	exact, scores := make([]float32, rows), make([]float32, rows)
	code, short := NewCodeChunk(1, u7.Stride()), NewCodeChunk(1, sign.Stride())
	var q SignQuery
	recall := make([][len(ways)]float64, len(candidates))
	for i := range count {
		v := queries[i*dim : (i+1)*dim]
		inv := InverseNorm(v)
		ScoreRows(metric, NewQuery(metric, v), base, norms, exact)
		truth := closest(exact, all, k)
		for way := range ways {
			switch way {
			case 0:
				term := u7.Encode(code, v, inv)
				u7.EstimateRows(codes, terms, code, term, scores)
			case 1:
				sign.Query(&q, v, inv)
				sign.EstimateRows(flat, flatTerms, &q, scores)
			default:
				sign.Compare(signs, signTerms, short, sign.Encode(short, v, inv), order, scores)
			}
			chosen := closest(scores, all, slices.Max(candidates))
			for c, n := range candidates {
				found := closest(exact, chosen[:min(n, len(chosen))], k)
				for _, row := range truth {
					if slices.Contains(found, row) {
						recall[c][way] += 1 / float64(k*count)
					}
				}
			}
		}
	}
	return recall
}

// TestRecallOfCodes measures recall@10 of candidates that codes chose. The
// bounds are wide: they catch a code that stopped working, not a worse one.
func TestRecallOfCodes(t *testing.T) {
	// Queries are taken out of the rows, or come with them.
	split := func(all []float32, dim, queries int) (base, q []float32) {
		return all[queries*dim:], all[:queries*dim]
	}
	for _, tc := range []struct {
		name    string
		metric  memory.Metric
		dim     int
		load    func(t *testing.T) (base, queries []float32)
		atLeast map[int][3]float64 // candidates → 7-bit, 1-bit, 1-bit against 1-bit
	}{
		{"sift128", memory.MetricEuclidean, 128, func(t *testing.T) ([]float32, []float32) {
			raw := sharedData(t, "sift128/sift_u8_15000x128.bin")
			base := make([]float32, len(raw))
			for i, b := range raw {
				base[i] = float32(b)
			}
			return base, sharedFloats(t, "sift128/siftsmall_query_f32_100x128.bin")
		}, map[int][3]float64{10: {.93, .2, .1}, 20: {.995, .35, .15}, 100: {.999, .75, .35}, 400: {1, .93, .55}}},
		{"wine384 cosine", memory.MetricCosine, 384, func(t *testing.T) ([]float32, []float32) {
			return split(sharedFloats(t, "wine384/wine_minilm_f32_2000x384.bin"), 384, 200)
		}, map[int][3]float64{10: {.96, .65, .55}, 20: {.998, .88, .75}, 50: {1, .98, .93}, 100: {1, .995, .98}}},
		{"wine384 dot", memory.MetricDot, 384, func(t *testing.T) ([]float32, []float32) {
			return split(sharedFloats(t, "wine384/wine_minilm_f32_2000x384.bin"), 384, 200)
		}, map[int][3]float64{10: {.96, .65, .55}, 20: {.998, .88, .75}, 50: {1, .98, .93}, 100: {1, .995, .98}}},
		{"bge1024 cosine", memory.MetricCosine, 1024, func(t *testing.T) ([]float32, []float32) {
			return split(append(sharedFloats(t, "bge1024/bge_m3_sentence_f32_500x1024.bin"),
				sharedFloats(t, "bge1024/bge_m3_paragraph_f32_500x1024.bin")...), 1024, 100)
		}, map[int][3]float64{10: {.95, .75, .65}, 20: {.998, .93, .85}, 50: {1, .98, .96}, 100: {1, .99, .98}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			base, queries := tc.load(t)
			candidates := []int{10, 15, 20, 50, 100, 400}
			for i, got := range codeRecall(tc.metric, tc.dim, base, queries, candidates) {
				least, bounded := tc.atLeast[candidates[i]]
				for way, name := range ways {
					t.Logf("recall@10 is %.4f of %d candidates by %s", got[way], candidates[i], name)
					if bounded && got[way] < least[way]-1e-9 {
						t.Errorf("want ≥ %v", least[way])
					}
				}
			}
		})
	}
}
