package source

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// MaxDimension bounds the rows of an array.
const MaxDimension = 4096

// Raw reads rows of dim float32, little-endian.
func Raw(name string, r io.Reader, dim int) Pieces {
	return rows(name, r, dim, -1, 4)
}

// rows reads count rows (−1: until the end) of dim floats of size bytes.
func rows(name string, r io.Reader, dim, count, size int) Pieces {
	return func(yield func(Piece, error) bool) {
		if dim < 2 || dim > MaxDimension {
			yield(Piece{}, fmt.Errorf("%s: rows have %d components; it must be 2 to %d", name, dim, MaxDimension))
			return
		}
		in := bufio.NewReaderSize(r, 1<<20)
		buf := make([]byte, dim*size)
		for row := 0; count < 0 || row < count; row++ {
			_, err := io.ReadFull(in, buf)
			if errors.Is(err, io.EOF) && count < 0 {
				return
			}
			if err != nil {
				if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
					err = fmt.Errorf("row %d of %d components is cut short", row, dim)
				}
				yield(Piece{}, fmt.Errorf("%s: %w", name, err))
				return
			}
			if !yield(Piece{ID: vectorID(name, row, buf), Vector: floats(buf, size), Source: name, Line: row + 1}, nil) {
				return
			}
		}
	}
}

func floats(b []byte, size int) []float32 {
	v := make([]float32, len(b)/size)
	for i := range v {
		if size == 2 {
			v[i] = half(binary.LittleEndian.Uint16(b[2*i:]))
		} else {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
	}
	return v
}

// half widens an IEEE 754 binary16.
func half(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exp {
	case 0:
		f := float32(frac) * 0x1p-24
		if sign != 0 {
			f = -f
		}
		return f
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}
