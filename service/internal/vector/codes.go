package vector

import (
	"fmt"
	"unsafe"
)

// Codes are rows of bytes that stand for vectors: 7-bit codes, a byte for each
// component (see [ScalarQuantizer]), or 1-bit codes, a bit for each (see
// [SignQuantizer]). The bytes of 7-bit codes lie in 0..127; above, what a
// comparison gives depends on the kernels in use, and does no other harm.
//
// As with [Chunks], row r is row r mod 2^Shift of Flat[r>>Shift]; each row
// takes Stride bytes. Its zero value holds nothing.
//
// Codes may be read by many goroutines while one of them writes rows that the
// others have not heard of yet.
type Codes struct {
	Flat   [][]byte
	Shift  uint
	Stride int
}

const (
	codeAlign = 64 // bytes: a line of the cache, and the widest register
	wordBytes = 8
)

// U7Stride is the size in bytes of a 7-bit code of dim components: a multiple
// of 64, so that a code begins where a line does and no kernel has a rest to
// care for. The bytes beyond dim are 0 and add nothing to any comparison.
func U7Stride(dim int) int { return (dim + codeAlign - 1) &^ (codeAlign - 1) }

// SignStride is the size in bytes of a 1-bit code of dim components: whole
// words of 64 bits. It is not rounded further, because codes as short as these
// are there to be scanned, and filling lines would make those of 128
// components four times as long. The bits beyond dim are 0.
func SignStride(dim int) int { return (dim + 63) / 64 * wordBytes }

// NewCodeChunk returns room for rows codes of stride bytes, all zero, that
// begins at a multiple of 64.
func NewCodeChunk(rows, stride int) []byte {
	n := rows * stride
	raw := make([]byte, n+codeAlign-1)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(raw))) & (codeAlign - 1))
	return raw[skip : skip+n : skip+n]
}

// Row returns the code of row r; it panics if there is none.
func (c Codes) Row(r uint32) []byte {
	at := int(r&(1<<c.Shift-1)) * c.Stride
	return c.Flat[r>>c.Shift][at : at+c.Stride : at+c.Stride]
}

// comparison names what a kernel over codes computes. See kernelSet for why it
// is a number and not a function.
type comparison uint8

const (
	u7Dot              comparison = iota // Σ aᵢbᵢ
	u7SquaredEuclidean                   // Σ (aᵢ−bᵢ)²
	hamming                              // how many bits differ
	planes                               // Σ qᵢ over the bits that are set in the row
)

// querySize is the size of a query for codes of n bytes.
func (op comparison) querySize(n int) int {
	if op == planes {
		return queryPlanes * n
	}
	return n
}

// U7Dot sets out[i] to the inner product of the 7-bit code q, of Stride bytes,
// and row rows[i], over the bytes as they are. It panics if there is no such row.
func (c Codes) U7Dot(q []byte, rows []uint32, out []int32) { c.gather(u7Dot, q, rows, out) }

// U7SquaredEuclidean is [Codes.U7Dot] with the squared Euclidean distance.
func (c Codes) U7SquaredEuclidean(q []byte, rows []uint32, out []int32) {
	c.gather(u7SquaredEuclidean, q, rows, out)
}

// Hamming is [Codes.U7Dot] for 1-bit codes: out[i] is the number of bits in
// which q and the row differ.
func (c Codes) Hamming(q []byte, rows []uint32, out []int32) { c.gather(hamming, q, rows, out) }

// gather compares q with the rows, a block of them a call.
func (c Codes) gather(op comparison, q []byte, rows []uint32, out []int32) {
	c.mustFit(op, q)
	out = out[:len(rows)]
	var sums [block]int32
	for len(rows) > 0 {
		n := min(block, len(rows))
		c.gatherBlock(op, q, rows[:n], &sums)
		copy(out, sums[:n])
		rows, out = rows[n:], out[n:]
	}
}

// gatherBlock compares q with up to a block of rows, and spoils what is beyond in
// out. Row numbers are checked where their addresses are found, by
// codeAddressesOf.
func (c Codes) gatherBlock(op comparison, q []byte, rows []uint32, out *[block]int32) {
	var at [block]*byte
	if found := codeAddressesOf(c, rows, &at); found < len(rows) {
		panic(fmt.Sprintf("vector: there is no row %d in %d chunks of codes", rows[found], len(c.Flat)))
	}
	compareAt(op, q, &at, c.Stride, len(rows), out)
}

// U7DotRows sets out[i] to the inner product of the 7-bit code q and row i of
// the flat rows, for every i < len(out); each row has len(q) bytes.
func U7DotRows(q, rows []byte, out []int32) { scan(u7Dot, q, rows, out) }

// U7SquaredEuclideanRows is [U7DotRows] with the squared Euclidean distance.
func U7SquaredEuclideanRows(q, rows []byte, out []int32) { scan(u7SquaredEuclidean, q, rows, out) }

// HammingRows is [U7DotRows] for 1-bit codes, with the number of bits that differ.
func HammingRows(q, rows []byte, out []int32) { scan(hamming, q, rows, out) }

func scan(op comparison, q, rows []byte, out []int32) {
	n := len(q)
	if op == planes {
		n /= queryPlanes
	}
	Codes{Stride: n}.mustFit(op, q)
	if len(rows) < n*len(out) {
		panic(fmt.Sprintf("vector: %d bytes do not hold %d codes of %d", len(rows), len(out), n))
	}
	if len(out) > 0 {
		compareRows(op, q, rows, n, out)
	}
}

// mustFit holds the kernels to the sizes that they are written for.
func (c Codes) mustFit(op comparison, q []byte) {
	unit := codeAlign
	if op == hamming || op == planes {
		unit = wordBytes
	}
	if c.Stride <= 0 || c.Stride%unit != 0 || len(q) != op.querySize(c.Stride) {
		panic(fmt.Sprintf("vector: a query of %d bytes and codes of %d; codes take a multiple of %d", len(q), c.Stride, unit))
	}
}

// addressesPortable is the checked access in plain Go.
func addressesPortable(c Codes, rows []uint32, at *[block]*byte) int {
	for i, r := range rows[:min(len(rows), block)] {
		chunk, in := int(r>>c.Shift), int(r&(1<<c.Shift-1))*c.Stride
		if chunk >= len(c.Flat) || in > len(c.Flat[chunk])-c.Stride {
			return i
		}
		at[i] = &c.Flat[chunk][in]
	}
	return len(rows)
}
