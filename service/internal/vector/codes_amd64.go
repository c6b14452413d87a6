package vector

import (
	"unsafe"

	"github.com/klauspost/cpuid/v2"
)

// codes512 tells whether the processor has what the AVX-512 kernels over codes
// need beyond those over float32: the first processors with AVX-512 lack the
// products of bytes and the population count, and take the AVX2 forms.
var codes512 = cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL,
	cpuid.AVX512VNNI, cpuid.AVX512VPOPCNTDQ, cpuid.BMI2)

// codes256 tells whether it has BMI2 and POPCNT, as every processor with AVX2
// that has been built does.
var codes256 = cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3, cpuid.BMI2, cpuid.POPCNT)

// codeKernels is the set for codes.
func codeKernels() kernelSet {
	switch {
	case active == kernelsAVX512 && codes512:
		return kernelsAVX512
	case active != kernelsPortable && codes256:
		return kernelsAVX2
	default:
		return kernelsPortable
	}
}

func codeAddressesOf(c Codes, rows []uint32, at *[block]*byte) int {
	if codeKernels() == kernelsPortable {
		return addressesPortable(c, rows, at)
	}
	return codeAddresses(unsafe.SliceData(c.Flat), len(c.Flat), int(c.Shift), c.Stride,
		unsafe.SliceData(rows), min(len(rows), block), &at[0])
}

// compareAt compares q with the codes of n bytes at the first rows > 0
// addresses. It spoils the addresses beyond, and what is beyond in out.
func compareAt(op comparison, q []byte, at *[block]*byte, n, rows int, out *[block]int32) {
	set, qp := codeKernels(), unsafe.SliceData(q)
	if set == kernelsPortable {
		compareAtPortable(op, q, at, n, out[:rows])
		return
	}
	if set == kernelsAVX2 {
		switch op {
		case hamming:
			hammingPOPCNTAt(qp, &at[0], rows, n, &out[0])
			return
		case planes:
			planesPOPCNTAt(qp, &at[0], rows, n, &out[0])
			return
		}
	}
	if rows == 1 && (op == u7Dot || op == u7SquaredEuclidean) {
		out[0] = u7Pair(set, op, qp, at[0], n)
		return
	}
	// What is left is made up to a group: cheaper than row by row, or than a
	// call more.
	groups := (rows + 3) / 4
	for i := rows; i < 4*groups; i++ {
		at[i] = at[rows-1]
	}
	groupsAt(set, op, qp, &at[0], groups, n, &out[0])
}

func groupsAt(set kernelSet, op comparison, q *byte, at **byte, groups, n int, out *int32) {
	switch {
	case op == hamming:
		hammingAVX512At(q, at, groups, n, out)
	case op == planes:
		planesAVX512At(q, at, groups, n, out)
	case op == u7Dot && set == kernelsAVX512:
		u7DotAVX512At(q, at, groups, n, out)
	case op == u7Dot:
		u7DotAVX2At(q, at, groups, n, out)
	case set == kernelsAVX512:
		u7SquaredEuclideanAVX512At(q, at, groups, n, out)
	default:
		u7SquaredEuclideanAVX2At(q, at, groups, n, out)
	}
}

// compareRows compares q with len(out) > 0 codes of n bytes, one after the
// other in rows.
func compareRows(op comparison, q, rows []byte, n int, out []int32) {
	set, qp, base := codeKernels(), unsafe.SliceData(q), unsafe.SliceData(rows)
	if set == kernelsPortable {
		compareRowsPortable(op, q, rows, n, out)
		return
	}
	if set == kernelsAVX2 {
		switch op {
		case hamming:
			hammingPOPCNTRows(qp, base, n, len(out), n, &out[0])
			return
		case planes:
			planesPOPCNTRows(qp, base, n, len(out), n, &out[0])
			return
		}
	}
	done := 0
	if op == planes && n == shortBytes && len(out) >= shortRows {
		groups := len(out) / shortRows
		shortPlanesAVX512Rows(qp, base, groups, &out[0])
		done = groups * shortRows
	}
	if groups := (len(out) - done) / 4; groups > 0 {
		groupsRows(set, op, qp, &rows[done*n], groups, n, &out[done])
		done += groups * 4
	}
	if done < len(out) {
		var at [block]*byte
		var sums [block]int32
		left := len(out) - done
		for i := range left {
			at[i] = &rows[(done+i)*n]
		}
		compareAt(op, q, &at, n, left, &sums)
		copy(out[done:], sums[:left])
	}
}

// shortBytes is the length of codes that have a kernel of their own, of which
// they take shortRows at a time.
const (
	shortBytes = 16
	shortRows  = 8
)

func groupsRows(set kernelSet, op comparison, q, base *byte, groups, n int, out *int32) {
	switch {
	case op == hamming:
		hammingAVX512Rows(q, base, n, groups, n, out)
	case op == planes:
		planesAVX512Rows(q, base, n, groups, n, out)
	case op == u7Dot && set == kernelsAVX512:
		u7DotAVX512Rows(q, base, n, groups, n, out)
	case op == u7Dot:
		u7DotAVX2Rows(q, base, n, groups, n, out)
	case set == kernelsAVX512:
		u7SquaredEuclideanAVX512Rows(q, base, n, groups, n, out)
	default:
		u7SquaredEuclideanAVX2Rows(q, base, n, groups, n, out)
	}
}

func u7Pair(set kernelSet, op comparison, a, b *byte, n int) int32 {
	switch {
	case op == u7Dot && set == kernelsAVX512:
		return u7DotAVX512(a, b, n)
	case op == u7Dot:
		return u7DotAVX2(a, b, n)
	case set == kernelsAVX512:
		return u7SquaredEuclideanAVX512(a, b, n)
	default:
		return u7SquaredEuclideanAVX2(a, b, n)
	}
}

// compare compares two codes of len(row) bytes.
func compare(op comparison, q, row []byte) int32 {
	set := codeKernels()
	if set == kernelsPortable || op == hamming || op == planes {
		return comparePortable(op, q, row) // which compiles to POPCNT
	}
	return u7Pair(set, op, unsafe.SliceData(q), unsafe.SliceData(row), len(row))
}
