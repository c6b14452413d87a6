package source

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/engram-stream/engram/service/internal/vector"
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
	if size == vector.BytesF16 {
		vector.DecodeF16LE(v, b)
	} else {
		vector.DecodeF32LE(v, b)
	}
	return v
}
