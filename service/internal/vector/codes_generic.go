//go:build !amd64 && !arm64

package vector

func codeAddressesOf(c Codes, rows []uint32, at *[block]*byte) int {
	return addressesPortable(c, rows, at)
}

func compareAt(op comparison, q []byte, at *[block]*byte, n, rows int, out *[block]int32) {
	compareAtPortable(op, q, at, n, out[:rows])
}

func compareRows(op comparison, q, rows []byte, n int, out []int32) {
	compareRowsPortable(op, q, rows, n, out)
}

func compare(op comparison, q, row []byte) int32 { return comparePortable(op, q, row) }
