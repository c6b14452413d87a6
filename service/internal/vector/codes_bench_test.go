package vector

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// BenchmarkCodes measures the comparisons of codes beside those of float32
// rows, in turns within one run, so that what else the machine does falls on
// all of them alike. "hot" gathers from 32 rows, "cold" from as many as take
// 128 MiB as float32, in random order and 32 a call, as a graph does; "scan"
// reads 4,096 rows in order. It reports ns/row, the tenth percentile of the
// turns, which a busy machine hardly moves, and how many times faster than
// float32 each is.
func BenchmarkCodes(b *testing.B) {
	for _, set := range availableKernels() {
		for _, dim := range []int{128, 384, 768, 1024} {
			for _, form := range []struct {
				name string
				rows int
			}{{"hot", 32}, {"cold", 32 << 20 / dim}, {"scan", 4096}} {
				b.Run(fmt.Sprintf("%s/%s/%d", set, form.name, dim), func(b *testing.B) {
					defer func(old kernelSet) { active = old }(active)
					active = set
					benchmarkCodes(b, dim, form.rows, form.name == "scan")
				})
			}
		}
	}
}

func benchmarkCodes(b *testing.B, dim, rows int, inOrder bool) {
	const picks, calls = 32, 64
	r := rand.New(rand.NewPCG(1, 1))
	base := make([]float32, rows*dim)
	for i := range base {
		base[i] = float32(int32(r.Uint32())) // any numbers do
	}
	fill := func(stride int) Codes {
		flat := NewCodeChunk(rows, stride)
		for i := range flat {
			flat[i] = byte(i*7) & 127
		}
		return Codes{Flat: [][]byte{flat}, Shift: 31, Stride: stride}
	}
	u7, bits := fill(U7Stride(dim)), fill(SignStride(dim))
	f32 := Chunks{Flat: [][]float32{base}, Shift: 31}
	order := make([]uint32, picks*calls)
	sums, scores := make([]int32, rows), make([]float32, rows)
	query := NewCodeChunk(queryPlanes, SignStride(dim))
	gather := func(f func(rows []uint32)) func() {
		return func() {
			for c := range calls {
				f(order[c*picks : (c+1)*picks])
			}
		}
	}
	each := picks * calls
	forms := []struct {
		name string
		run  func()
	}{
		{"f32", gather(func(rows []uint32) { f32.Dot(base[:dim], rows, scores[:picks]) })},
		{"u7dot", gather(func(rows []uint32) { u7.U7Dot(u7.Row(0), rows, sums[:picks]) })},
		{"u7l2", gather(func(rows []uint32) { u7.U7SquaredEuclidean(u7.Row(0), rows, sums[:picks]) })},
		{"hamming", gather(func(rows []uint32) { bits.Hamming(bits.Row(0), rows, sums[:picks]) })},
		{"planes", gather(func(rows []uint32) { bits.gather(planes, query, rows, sums[:picks]) })},
	}
	if inOrder {
		each = rows
		forms[0].run = func() { DotRows(base[:dim], base, scores) }
		forms[1].run = func() { scan(u7Dot, u7.Row(0), u7.Flat[0], sums) }
		forms[2].run = func() { scan(u7SquaredEuclidean, u7.Row(0), u7.Flat[0], sums) }
		forms[3].run = func() { scan(hamming, bits.Row(0), bits.Flat[0], sums) }
		forms[4].run = func() { scan(planes, query, bits.Flat[0], sums) }
	}
	took := make([][]time.Duration, len(forms))
	for b.Loop() {
		for i, f := range forms {
			for j := range order {
				order[j] = uint32(r.IntN(rows))
			}
			begun := time.Now()
			f.run()
			took[i] = append(took[i], time.Since(begun))
		}
	}
	decile := func(d []time.Duration) float64 { slices.Sort(d); return float64(d[len(d)/10]) }
	for i, f := range forms {
		ns := decile(took[i])
		b.ReportMetric(ns/float64(each), f.name+"-ns/row")
		if i > 0 {
			b.ReportMetric(decile(took[0])/ns, f.name+"-times")
		}
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkEncode measures what coding one vector takes, and preparing it as a
// query of 1-bit codes.
func BenchmarkEncode(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, set := range availableKernels() {
		for _, dim := range []int{128, 384, 768} {
			base := embeddings(r, 256, dim)
			bytes, bits := FitScalar(1, dim, base), FitSign(1, dim, base)
			code, short := NewCodeChunk(1, bytes.Stride()), NewCodeChunk(1, bits.Stride())
			var q SignQuery
			for _, form := range []struct {
				name string
				run  func(v []float32)
			}{
				{"u7", func(v []float32) { bytes.Encode(code, v, 1) }},
				{"sign", func(v []float32) { bits.Encode(short, v, 1) }},
				{"query", func(v []float32) { bits.Query(&q, v, 1) }},
			} {
				b.Run(fmt.Sprintf("%s/%s/%d", set, form.name, dim), func(b *testing.B) {
					defer func(old kernelSet) { active = old }(active)
					active = set
					i := 0
					for b.Loop() {
						form.run(base[i*dim : (i+1)*dim])
						i = (i + 1) % 256
					}
				})
			}
		}
	}
}

// BenchmarkEstimates measures, as BenchmarkCodes does, whole scores: what a
// search of the graph would call (32 rows out of 4,096) and what a scan would.
func BenchmarkEstimates(b *testing.B) {
	const rows, picks, calls = 4096, 32, 64
	r := rand.New(rand.NewPCG(1, 1))
	for _, metric := range metrics {
		for _, dim := range []int{128, 384, 768} {
			b.Run(fmt.Sprintf("%s/%d", metric, dim), func(b *testing.B) {
				base := embeddings(r, rows, dim)
				u7, sign := FitScalar(metric, dim, base), FitSign(metric, dim, base)
				chunks := Chunks{Flat: [][]float32{base}, Shift: 12}
				norms, u7Terms, signTerms := [][]float32{make([]float32, rows)}, [][]float32{make([]float32, rows)}, [][]SignTerms{make([]SignTerms, rows)}
				bytes := Codes{Flat: [][]byte{NewCodeChunk(rows, u7.Stride())}, Shift: 12, Stride: u7.Stride()}
				bits := Codes{Flat: [][]byte{NewCodeChunk(rows, sign.Stride())}, Shift: 12, Stride: sign.Stride()}
				for i := range uint32(rows) {
					v := chunks.Row(i, dim)
					norms[0][i] = InverseNorm(v)
					u7Terms[0][i] = u7.Encode(bytes.Row(i), v, norms[0][i])
					signTerms[0][i] = sign.Encode(bits.Row(i), v, norms[0][i])
				}
				query := NewQuery(metric, base[:dim])
				var short SignQuery
				sign.Query(&short, base[:dim], query.InvNorm)
				order, out := make([]uint32, picks*calls), make([]float32, rows)
				gather := func(f func(rows []uint32)) func() {
					return func() {
						for c := range calls {
							f(order[c*picks : (c+1)*picks])
						}
					}
				}
				forms := []struct {
					name string
					rows int
					run  func()
				}{
					{"f32", len(order), gather(func(rows []uint32) { chunks.Score(metric, query, norms, rows, out) })},
					{"u7", len(order), gather(func(rows []uint32) { u7.Estimates(bytes, u7Terms, bytes.Row(0), u7Terms[0][0], rows, out) })},
					{"sign", len(order), gather(func(rows []uint32) { sign.Estimates(bits, signTerms, &short, rows, out) })},
					{"signs", len(order), gather(func(rows []uint32) { sign.Compare(bits, signTerms, bits.Row(0), signTerms[0][0], rows, out) })},
					{"f32scan", rows, func() { ScoreRows(metric, query, base, norms[0], out) }},
					{"u7scan", rows, func() { u7.EstimateRows(bytes.Flat[0], u7Terms[0], bytes.Row(0), u7Terms[0][0], out) }},
					{"signscan", rows, func() { sign.EstimateRows(bits.Flat[0], signTerms[0], &short, out) }},
				}
				took := make([][]time.Duration, len(forms))
				for b.Loop() {
					for i, f := range forms {
						for j := range order {
							order[j] = uint32(r.IntN(rows))
						}
						begun := time.Now()
						f.run()
						took[i] = append(took[i], time.Since(begun))
					}
				}
				for i, f := range forms {
					slices.Sort(took[i])
					b.ReportMetric(float64(took[i][len(took[i])/10])/float64(f.rows), f.name+"-ns/row")
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
