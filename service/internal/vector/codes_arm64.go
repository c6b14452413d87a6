package vector

import "unsafe"

func codeAddressesOf(c Codes, rows []uint32, at *[block]*byte) int {
	return addressesPortable(c, rows, at)
}

// compareAt compares q with the codes of n bytes at the first rows > 0
// addresses.
func compareAt(op comparison, q []byte, at *[block]*byte, n, rows int, out *[block]int32) {
	qp := unsafe.SliceData(q)
	switch {
	case active == kernelsPortable:
		compareAtPortable(op, q, at, n, out[:rows])
	case op == hamming:
		hammingAtNEON(qp, &at[0], rows, n, &out[0])
	case op == planes:
		planesAtNEON(qp, &at[0], rows, n, &out[0])
	case op == u7Dot && active == kernelsNEONDot:
		u7DotAtDot(qp, &at[0], rows, n, &out[0])
	case op == u7Dot:
		u7DotAtNEON(qp, &at[0], rows, n, &out[0])
	case active == kernelsNEONDot:
		u7SquaredEuclideanAtDot(qp, &at[0], rows, n, &out[0])
	default:
		u7SquaredEuclideanAtNEON(qp, &at[0], rows, n, &out[0])
	}
}

// compareRows compares q with len(out) > 0 codes of n bytes, one after the
// other in rows.
func compareRows(op comparison, q, rows []byte, n int, out []int32) {
	qp, base, count := unsafe.SliceData(q), unsafe.SliceData(rows), len(out)
	switch {
	case active == kernelsPortable:
		compareRowsPortable(op, q, rows, n, out)
	case op == hamming:
		hammingRowsNEON(qp, base, count, n, &out[0])
	case op == planes:
		planesRowsNEON(qp, base, count, n, &out[0])
	case op == u7Dot && active == kernelsNEONDot:
		u7DotRowsDot(qp, base, count, n, &out[0])
	case op == u7Dot:
		u7DotRowsNEON(qp, base, count, n, &out[0])
	case active == kernelsNEONDot:
		u7SquaredEuclideanRowsDot(qp, base, count, n, &out[0])
	default:
		u7SquaredEuclideanRowsNEON(qp, base, count, n, &out[0])
	}
}

// compare compares two codes of len(row) bytes.
func compare(op comparison, q, row []byte) int32 {
	var out [1]int32
	compareRows(op, q, row, len(row), out[:])
	return out[0]
}

// The kernels work on rows > 0 codes of n bytes, a multiple of 64, or of 8 for
// those over bits. They are in codes_arm64.s.

//go:noescape
func u7DotAtDot(q *byte, at **byte, rows, n int, out *int32)

//go:noescape
func u7DotRowsDot(q, base *byte, rows, n int, out *int32)

//go:noescape
func u7SquaredEuclideanAtDot(q *byte, at **byte, rows, n int, out *int32)

//go:noescape
func u7SquaredEuclideanRowsDot(q, base *byte, rows, n int, out *int32)

//go:noescape
func u7DotAtNEON(q *byte, at **byte, rows, n int, out *int32)

//go:noescape
func u7DotRowsNEON(q, base *byte, rows, n int, out *int32)

//go:noescape
func u7SquaredEuclideanAtNEON(q *byte, at **byte, rows, n int, out *int32)

//go:noescape
func u7SquaredEuclideanRowsNEON(q, base *byte, rows, n int, out *int32)

//go:noescape
func hammingAtNEON(q *byte, at **byte, rows, n int, out *int32)

//go:noescape
func hammingRowsNEON(q, base *byte, rows, n int, out *int32)

//go:noescape
func planesAtNEON(q *byte, at **byte, rows, n int, out *int32)

//go:noescape
func planesRowsNEON(q, base *byte, rows, n int, out *int32)
