package filter

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/engram-stream/engram/service/internal/fault"
)

// An image of an index is, with all numbers as unsigned varints unless told
// otherwise:
//
//	magic, version             8 + 1 bytes
//	overflow                   1 byte, 0 or 1
//	rows, opaque               bitmaps
//	number of keys, then each  rising: text, then 1 byte of flags, and unless
//	                           it is dropped: present, then what flags announce
//	                           of long, false, true, null: bitmaps;
//	                           number of strings, each rising: text, bitmap;
//	                           number of numbers, each rising by bits: 8 bytes
//	                           little endian, bitmap
//
// A text is its length and its bytes. A bitmap of up to 16 rows is their number
// and the distances between them, each less 1, the first from −1. A larger one
// is 17 + the size of its Roaring serialisation, and that
// (https://github.com/RoaringBitmap/RoaringFormatSpec). An index and the one
// that is loaded from its image have the same image.
const (
	imageMagic   = "EngrFltr"
	imageVersion = 1
	fewRows      = 16
)

const (
	flagDropped = 1 << iota
	flagLong
	flagFalse
	flagTrue
	flagNull
	flagsKnown = 1<<iota - 1
)

// ImageError says that bytes are not the image of an index.
type ImageError struct {
	Offset int // bytes into the image
	Cause  error
}

func (e *ImageError) Error() string {
	return fmt.Sprintf("image of the filter index is damaged: at byte %d: %v", e.Offset, e.Cause)
}

// Unwrap gives what is wrong there.
func (e *ImageError) Unwrap() error { return e.Cause }

// As gives the damage as a fault, to those who look for one.
func (e *ImageError) As(target any) bool {
	f, ok := target.(**fault.Error)
	if ok {
		*f = fault.New(fault.DataLoss, fault.Corrupt, "the image of a filter index is damaged; the server's log says where").Because(e.Cause)
	}
	return ok
}

// part is one of the bitmaps of a key that there is at most one of.
type part struct {
	flag byte
	rows **roaring.Bitmap
}

func (p *postings) parts() [4]part {
	return [4]part{{flagLong, &p.long}, {flagFalse, &p.bools[0]}, {flagTrue, &p.bools[1]}, {flagNull, &p.null}}
}

func compareBits(a, b float64) int { return cmp.Compare(bitsOf(a), bitsOf(b)) }

// bitsOf gives both zeros the same bits, as they are one key of a map.
func bitsOf(n float64) uint64 {
	if n == 0 {
		return 0
	}
	return math.Float64bits(n)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendBitmap(b []byte, rows *roaring.Bitmap) []byte {
	n := rows.GetCardinality()
	if n > fewRows {
		b = binary.AppendUvarint(b, fewRows+1+rows.GetSerializedSizeInBytes())
		var w sliceWriter = b
		_, _ = rows.WriteTo(&w) // memory takes everything
		return w
	}
	b = binary.AppendUvarint(b, n)
	next := uint64(0)
	rows.Iterate(func(row uint32) bool {
		b = binary.AppendUvarint(b, uint64(row)-next)
		next = uint64(row) + 1
		return true
	})
	return b
}

type sliceWriter []byte

func (w *sliceWriter) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}
