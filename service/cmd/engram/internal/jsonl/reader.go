package jsonl

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// MaxLine bounds a line, in bytes: several times what an observation of the
// largest size takes.
const MaxLine = 8 << 20

// ErrTooLong says that a line is longer than MaxLine. The lines after it can be
// read.
var ErrTooLong = fmt.Errorf("the line is longer than %d MiB", MaxLine>>20)

// Reader reads lines one by one. Not safe for concurrent use.
type Reader struct {
	r    *bufio.Reader
	line []byte
}

// NewReader reads from r.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, 64<<10)} }

// Next gives the next line without its line feed, valid until the next call;
// io.EOF behind the last one.
func (r *Reader) Next() ([]byte, error) {
	r.line = r.line[:0]
	long := false
	for {
		part, err := r.r.ReadSlice('\n')
		if long = long || len(r.line)+len(part) > MaxLine; !long {
			r.line = append(r.line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil && (!errors.Is(err, io.EOF) || len(r.line) == 0 && !long):
			return nil, err
		case long:
			return nil, ErrTooLong
		default:
			if n := len(r.line); n > 0 && r.line[n-1] == '\n' {
				return r.line[:n-1], nil
			}
			return r.line, nil
		}
	}
}
