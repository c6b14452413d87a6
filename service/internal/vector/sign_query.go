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
	codes  []byte  // 64 and the integer, for each component
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
		q.codes = make([]byte, 8*n)
	}
	f := s.factor(invNorm)
	most := farthest(v, s.mean, f)
	q.step, q.sum = float64(most)/queryReach, 0
	// The encoder of 7-bit codes rounds to 64−7..64+7, and to 64 if the query
	// is the mean, or so near that the inverse of the step overflows.
	inverse := float32(queryReach) / most
	if most == 0 || inverse > math.MaxFloat32 {
		inverse, q.step = 0, 0
	}
	sum := encodeU7(v, s.mean, f, inverse, q.codes[:len(v)])
	q.sum = sum - u7Middle*int32(len(v))
	for i := len(v); i < len(q.codes); i++ {
		q.codes[i] = u7Middle
	}
	for i := range n {
		// A byte of each plane, side by side in a word. 64 has no bit among the
		// lower four, which therefore are those of the number in two's complement.
		c := q.codes[8*i : 8*i+8 : 8*i+8]
		word := nibbleBits[c[0]&15] | nibbleBits[c[1]&15]<<1 | nibbleBits[c[2]&15]<<2 | nibbleBits[c[3]&15]<<3 |
			nibbleBits[c[4]&15]<<4 | nibbleBits[c[5]&15]<<5 | nibbleBits[c[6]&15]<<6 | nibbleBits[c[7]&15]<<7
		q.planes[i] = byte(word)
		q.planes[n+i] = byte(word >> 8)
		q.planes[2*n+i] = byte(word >> 16)
		q.planes[3*n+i] = byte(word >> 24)
	}
	_, squares := centredMoments(v, s.mean, f)
	q.offset = s.offset(v, squares)
}

// farthest is the largest |factor·v − mean|, at most the largest float32.
func farthest(v, mean []float32, factor float32) float32 {
	const sign = 1 << 31
	var most uint32 // numbers that are not negative are in the order of their bits
	mean = mean[:len(v)]
	for i, x := range v {
		most = max(most, math.Float32bits(float32(x*factor)-mean[i])&^sign)
	}
	return min(math.Float32frombits(most), math.MaxFloat32)
}

// nibbleBits[c] has bit b of c as the lowest of byte b.
var nibbleBits = func() (table [16]uint32) {
	for c := range table {
		for b := range queryPlanes {
			table[c] |= uint32(c>>b&1) << (8 * b)
		}
	}
	return table
}()

// The kernels give p = Σ q̂ᵢ/step over the bits that are set; since σ is twice
// the bit less one, q̂·σ = step·(2·p − sum).

// Estimates sets out[i] to the estimate for row rows[i] of codes, in the order
// of rows; terms are those of the rows, in chunks as the codes are.
func (s *SignQuantizer) Estimates(codes Codes, terms [][]SignTerms, q *SignQuery, rows []uint32, out []float32) {
	mustMatch(codes.Stride, s.Stride())
	line := s.line(q)
	out = out[:len(rows)]
	var sums [block]int32
	for len(rows) > 0 {
		n := min(block, len(rows))
		codes.gather(planes, q.planes, rows[:n], sums[:n])
		for i, r := range rows[:n] {
			x := terms[r>>codes.Shift][r&(1<<codes.Shift-1)]
			out[i] = line.at(sums[i], x)
		}
		rows, out = rows[n:], out[n:]
	}
}

// EstimateRows sets out[i] to the estimate for row i of the flat codes, for
// every i < len(out); terms[i] belongs to row i.
func (s *SignQuantizer) EstimateRows(codes []byte, terms []SignTerms, q *SignQuery, out []float32) {
	line := s.line(q)
	stride := s.Stride()
	var sums [scanBlock]int32
	for len(out) > 0 {
		n := min(scanBlock, len(out))
		scan(planes, q.planes, codes, sums[:n])
		signLinear(sums[:n], terms, &line, out)
		codes, terms, out = codes[n*stride:], terms[n:], out[n:]
	}
}

// signLine makes an estimate of a kernel's sum p and the terms of a row:
// a·(2p − less)·scale + b·offset + c. Single precision is enough: what the
// estimates leave is compared by the vectors, and it is half the work.
type signLine struct {
	less    int32
	a, b, c float32
}

// termBound is what a term of an estimate is held within, so that none is
// infinite and their sum is a number.
const termBound = 1e38

func (s *SignQuantizer) line(q *SignQuery) signLine {
	a, b, c := s.linear(q.offset)
	const most = termBound / (2 * MaxDimension * (queryReach + 1)) // so that no sum makes it infinite
	return signLine{q.sum, float32(max(-most, min(most, a*q.step))), float32(b), float32(bounded(c))}
}

func bounded[T float32 | float64](x T) T { return max(-termBound, min(termBound, x)) }

// at rounds each product before what follows, as the kernel does.
func (l *signLine) at(sum int32, x SignTerms) float32 {
	y := float32(l.a * float32(2*sum-l.less))
	y = bounded(float32(y * x.Scale))
	z := bounded(float32(l.b * x.Offset))
	return float32(y+z) + l.c
}

// signLinearPortable makes estimates of the kernels' sums.
func signLinearPortable(sums []int32, terms []SignTerms, l *signLine, out []float32) {
	terms, out = terms[:len(sums)], out[:len(sums)]
	for i, x := range terms {
		out[i] = l.at(sums[i], x)
	}
}
