package vector

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// The kernels over codes in plain Go. Their sums are exact, and they are what
// every other form has to give.

func comparePortable(op comparison, q, row []byte) int32 {
	switch op {
	case u7Dot:
		return u7DotPortable(q, row)
	case u7SquaredEuclidean:
		return u7SquaredEuclideanPortable(q, row)
	case hamming:
		return hammingPortable(q, row)
	default:
		return planesPortable(q, row)
	}
}

func u7DotPortable(a, b []byte) int32 {
	b = b[:len(a)]
	var s0, s1, s2, s3 int32
	for len(a) >= 8 {
		x, y := a[:8:8], b[:8:8]
		s0 += int32(x[0])*int32(y[0]) + int32(x[4])*int32(y[4])
		s1 += int32(x[1])*int32(y[1]) + int32(x[5])*int32(y[5])
		s2 += int32(x[2])*int32(y[2]) + int32(x[6])*int32(y[6])
		s3 += int32(x[3])*int32(y[3]) + int32(x[7])*int32(y[7])
		a, b = a[8:], b[8:]
	}
	for i, x := range a {
		s0 += int32(x) * int32(b[i])
	}
	return s0 + s1 + s2 + s3
}

func u7SquaredEuclideanPortable(a, b []byte) int32 {
	b = b[:len(a)]
	var s0, s1, s2, s3 int32
	for len(a) >= 8 {
		x, y := a[:8:8], b[:8:8]
		d0, d1 := int32(x[0])-int32(y[0]), int32(x[1])-int32(y[1])
		d2, d3 := int32(x[2])-int32(y[2]), int32(x[3])-int32(y[3])
		d4, d5 := int32(x[4])-int32(y[4]), int32(x[5])-int32(y[5])
		d6, d7 := int32(x[6])-int32(y[6]), int32(x[7])-int32(y[7])
		s0 += d0*d0 + d4*d4
		s1 += d1*d1 + d5*d5
		s2 += d2*d2 + d6*d6
		s3 += d3*d3 + d7*d7
		a, b = a[8:], b[8:]
	}
	for i, x := range a {
		d := int32(x) - int32(b[i])
		s0 += d * d
	}
	return s0 + s1 + s2 + s3
}

func hammingPortable(a, b []byte) int32 {
	b = b[:len(a)]
	n := 0
	for len(a) >= wordBytes {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(a) ^ binary.LittleEndian.Uint64(b))
		a, b = a[wordBytes:], b[wordBytes:]
	}
	return int32(n)
}

// planesPortable takes the planes of q one after the other; the last, of the
// sign in two's complement, weighs −8.
func planesPortable(q, row []byte) int32 {
	n := len(row)
	p0, p1, p2, p3 := q[:n], q[n:2*n], q[2*n:3*n], q[3*n:4*n]
	sum := 0
	for i := 0; i+wordBytes <= n; i += wordBytes {
		w := binary.LittleEndian.Uint64(row[i:])
		sum += bits.OnesCount64(w&binary.LittleEndian.Uint64(p0[i:])) +
			2*bits.OnesCount64(w&binary.LittleEndian.Uint64(p1[i:])) +
			4*bits.OnesCount64(w&binary.LittleEndian.Uint64(p2[i:])) -
			8*bits.OnesCount64(w&binary.LittleEndian.Uint64(p3[i:]))
	}
	return int32(sum)
}

func compareAtPortable(op comparison, q []byte, at *[block]*byte, n int, out []int32) {
	for i := range out {
		out[i] = comparePortable(op, q, unsafe.Slice(at[i], n))
	}
}

func compareRowsPortable(op comparison, q, rows []byte, n int, out []int32) {
	for i := range out {
		out[i] = comparePortable(op, q, rows[i*n:(i+1)*n])
	}
}

// encodeU7Portable writes the codes of v and returns their sum. The numbers
// are those of the other encoders, bit for bit: the conversions keep the
// compiler from fusing what they round apart.
func encodeU7Portable(v, mean []float32, factor, inverse float32, dst []byte) int32 {
	// Adding 1.5·2²³ rounds to an integer, to nearest and ties to even, which
	// is then in the low bits of the fraction.
	const round = 0x1.8p23
	var sum int32
	for i, x := range v {
		y := float32(float32(float32(x*factor)-mean[i]) * inverse)
		if !(y > -u7Reach) { // as well as NaN
			y = -u7Reach
		}
		if y > u7Reach {
			y = u7Reach
		}
		r := float32(y + round)
		c := int32(r-round) + u7Middle
		dst[i] = byte(c)
		sum += c
	}
	return sum
}

// encodeSignsPortable sets the bits of dst, which is zero where they go. The
// first component's bit is the lowest of dst[0].
func encodeSignsPortable(v, mean []float32, factor float32, dst []byte) {
	for i, x := range v {
		if float32(x*factor) > mean[i] {
			dst[i/8] |= 1 << (i % 8)
		}
	}
}

func centredMomentsPortable(v, mean []float32, factor float32) (abs, squares float32) {
	var a0, a1, s0, s1 float32
	for i, x := range v {
		d := float32(x*factor) - mean[i]
		if i%2 == 0 {
			a0 += max(d, -d)
			s0 += d * d
		} else {
			a1 += max(d, -d)
			s1 += d * d
		}
	}
	return a0 + a1, s0 + s1
}
