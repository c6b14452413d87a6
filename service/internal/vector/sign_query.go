package vector

import "math"

// A query of 1-bit codes has 4 bits a component, in two's complement, as four
// planes of a code's size each: plane b holds bit b of every component.
const (
	queryPlanes = 4
	queryReach  = 7
)

// SignQuery is a query made ready for 1-bit codes by [SignQuantizer.Query].
// Its zero value may be made ready, and again for another query without
// allocating; it belongs to one goroutine at a time.
type SignQuery struct {
	planes []byte
	step   float64 // q̂ is step times integers in −7..7
	sum    int32   // of those integers
	offset float32
}

// Query makes q ready for v, which has Dim finite components; invNorm is as in
// [SignQuantizer.Encode].
func (s *SignQuantizer) Query(q *SignQuery, v []float32, invNorm float32) {
	mustMatch(len(v), len(s.mean))
	n := s.Stride()
	if len(q.planes) != queryPlanes*n {
		q.planes = NewCodeChunk(queryPlanes, n)
	}
	clear(q.planes)
	f := float64(s.factor(invNorm))
	var most float64
	for i, x := range v {
		most = max(most, math.Abs(f*float64(x)-float64(s.mean[i])))
	}
	q.step, q.sum = most/queryReach, 0
	if most > 0 {
		inverse := queryReach / most
		for i, x := range v {
			c := int32(math.RoundToEven((f*float64(x) - float64(s.mean[i])) * inverse))
			q.sum += c
			for b := range queryPlanes {
				q.planes[b*n+i/8] |= byte(c>>b&1) << (i % 8)
			}
		}
	}
	_, squares := centredMoments(v, s.mean, float32(f))
	q.offset = s.offset(v, squares)
}

// The kernels give p = Σ q̂ᵢ/step over the bits that are set; since σ is twice
// the bit less one, q̂·σ = step·(2·p − sum).

// Estimates sets out[i] to the estimate for row rows[i] of codes, in the order
// of rows; terms are those of the rows, in chunks as the codes are.
func (s *SignQuantizer) Estimates(codes Codes, terms [][]SignTerms, q *SignQuery, rows []uint32, out []float32) {
	mustMatch(codes.Stride, s.Stride())
	a, b, c := s.linear(q.offset)
	a *= q.step
	out = out[:len(rows)]
	var sums [block]int32
	for len(rows) > 0 {
		n := min(block, len(rows))
		codes.gather(planes, q.planes, rows[:n], sums[:n])
		for i, r := range rows[:n] {
			x := terms[r>>codes.Shift][r&(1<<codes.Shift-1)]
			out[i] = float32(a*float64(2*sums[i]-q.sum)*float64(x.Scale) + b*float64(x.Offset) + c)
		}
		rows, out = rows[n:], out[n:]
	}
}

// EstimateRows sets out[i] to the estimate for row i of the flat codes, for
// every i < len(out); terms[i] belongs to row i.
func (s *SignQuantizer) EstimateRows(codes []byte, terms []SignTerms, q *SignQuery, out []float32) {
	a, b, c := s.linear(q.offset)
	a *= q.step
	stride := s.Stride()
	var sums [scanBlock]int32
	for len(out) > 0 {
		n := min(scanBlock, len(out))
		scan(planes, q.planes, codes, sums[:n])
		for i, x := range terms[:n] {
			out[i] = float32(a*float64(2*sums[i]-q.sum)*float64(x.Scale) + b*float64(x.Offset) + c)
		}
		codes, terms, out = codes[n*stride:], terms[n:], out[n:]
	}
}
