package source

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"regexp"
	"strconv"
)

// maxHeader bounds the header of a .npy file.
const maxHeader = 64 << 10

// npyHeader is what a .npy header says.
type npyHeader struct {
	rows, dim, size int
}

var (
	npyDescr   = regexp.MustCompile(`'descr'\s*:\s*'([^']*)'`)
	npyFortran = regexp.MustCompile(`'fortran_order'\s*:\s*(True|False)`)
	npyShape   = regexp.MustCompile(`'shape'\s*:\s*\(\s*(\d+)\s*,\s*(\d+)\s*,?\s*\)`)
)

// readNPYHeader reads the header of the NumPy array format, versions 1 and 2.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
func readNPYHeader(r io.Reader) (npyHeader, error) {
	var h npyHeader
	head := make([]byte, 8)
	if _, err := io.ReadFull(r, head); err != nil || !bytes.Equal(head[:6], []byte("\x93NUMPY")) {
		return h, fmt.Errorf("it does not begin like a .npy file")
	}
	size := make([]byte, 2)
	if head[6] >= 2 {
		size = make([]byte, 4)
	}
	if head[6] < 1 || head[6] > 3 {
		return h, fmt.Errorf("format version %d is not known", head[6])
	}
	if _, err := io.ReadFull(r, size); err != nil {
		return h, fmt.Errorf("its header is cut short")
	}
	n := uint32(binary.LittleEndian.Uint16(size))
	if len(size) == 4 {
		n = binary.LittleEndian.Uint32(size)
	}
	if n > maxHeader {
		return h, fmt.Errorf("its header has %d bytes; the limit is %d", n, maxHeader)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return h, fmt.Errorf("its header is cut short")
	}
	descr, fortran, shape := npyDescr.FindSubmatch(text), npyFortran.FindSubmatch(text), npyShape.FindSubmatch(text)
	if descr == nil || fortran == nil || shape == nil {
		return h, fmt.Errorf("it is not a two-dimensional array: %.80q", text)
	}
	switch d := string(descr[1]); d {
	case "<f4":
		h.size = 4
	case "<f2":
		h.size = 2
	default:
		return h, fmt.Errorf("its elements are %q; <f4 or <f2 is wanted", d)
	}
	if string(fortran[1]) == "True" {
		return h, fmt.Errorf("it is stored column by column; save it with numpy.ascontiguousarray")
	}
	var err error
	if h.rows, err = strconv.Atoi(string(shape[1])); err != nil {
		return h, fmt.Errorf("it has %s rows", shape[1])
	}
	if h.dim, err = strconv.Atoi(string(shape[2])); err != nil || h.dim > MaxDimension {
		return h, fmt.Errorf("it has %s columns; the limit is %d", shape[2], MaxDimension)
	}
	return h, nil
}

// NPY reads the rows of a .npy file of float32 or float16.
func NPY(name string, r io.Reader) Pieces {
	return func(yield func(Piece, error) bool) {
		h, err := readNPYHeader(r)
		if err != nil {
			yield(Piece{}, fmt.Errorf("%s: %w", name, err))
			return
		}
		rows(name, r, h.dim, h.rows, h.size)(yield)
	}
}
