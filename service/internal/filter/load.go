package filter

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
)

// LoadIndex makes the index that [Index.AppendImage] wrote. It keeps nothing of
// b. Everything is checked: sizes against what is there and against the bounds
// of an index, that keys are ones, and that no bitmap has rows its key lacks.
// The error is an [*ImageError].
func LoadIndex(b []byte) (*Index, error) {
	d := decoder{image: b, rest: b}
	x := d.index()
	if d.err != nil {
		return nil, &ImageError{Offset: d.at, Cause: d.err}
	}
	return x, nil
}

// decoder reads an image; after an error it gives zero values.
type decoder struct {
	image, rest []byte
	at          int // where the error is
	err         error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.at, d.err = len(d.image)-len(d.rest), fmt.Errorf(format, args...)
		d.rest = nil
	}
}

func (d *decoder) index() *Index {
	x := NewIndex()
	if string(d.take(len(imageMagic))) != imageMagic {
		d.fail("it does not begin with %q", imageMagic)
	}
	if v := d.byte(); v != imageVersion {
		d.fail("version %d, this build reads %d", v, imageVersion)
	}
	overflow := d.byte()
	if overflow > 1 {
		d.fail("overflow is %d", overflow)
	}
	x.overflow = overflow == 1
	x.rows = d.bitmap(nil, true)
	x.opaque = d.bitmap(x.rows, true)
	last := ""
	for range d.count(MaxIndexedKeys, "keys") {
		key := d.text(MaxKeyBytes)
		if key <= last || fields[key] == fieldMetadata && !strings.HasPrefix(key, metadataPrefix) {
			d.fail("key %q after %q", key, last)
		}
		p := d.postings(x)
		if d.err != nil {
			break
		}
		x.keys[key] = p
		last = key
	}
	if x.values > MaxIndexedValues {
		d.fail("%d values, the limit is %d", x.values, MaxIndexedValues)
	}
	if len(d.rest) > 0 {
		d.fail("%d bytes are left over", len(d.rest))
	}
	return x
}

func (d *decoder) postings(x *Index) *postings {
	flags := d.byte()
	if flags == flagDropped {
		return &postings{dropped: true}
	}
	if flags&^flagsKnown != 0 || flags&flagDropped != 0 {
		d.fail("flags %#x", flags)
	}
	p := &postings{long: roaring.New()}
	p.present = d.bitmap(x.rows, false)
	for _, part := range p.parts() {
		if flags&part.flag != 0 {
			*part.rows = d.bitmap(p.present, false)
			if part.flag != flagLong {
				p.values++
			}
		}
	}
	var lastText *string
	for range d.count(MaxIndexedPerKey, "strings") {
		s := d.text(MaxIndexedString)
		if lastText != nil && s <= *lastText {
			d.fail("string %q after %q", s, *lastText)
		}
		rows := d.bitmap(p.present, false)
		if d.err != nil {
			return p
		}
		p.keep(s, rows)
		p.values++
		lastText = &s
	}
	var last *uint64
	for range d.count(MaxIndexedPerKey, "numbers") {
		bits := d.word()
		n := math.Float64frombits(bits)
		// Zero has two forms and one place; NaN has none.
		if last != nil && bits <= *last || n != n || n == 0 && bits != 0 { //nolint:staticcheck // NaN
			d.fail("number %v, bits %#x", n, bits)
		}
		rows := d.bitmap(p.present, false)
		if d.err != nil {
			return p
		}
		p.keep(n, rows)
		p.values++
		last = &bits
	}
	if p.values > MaxIndexedPerKey {
		d.fail("%d values of a key, the limit is %d", p.values, MaxIndexedPerKey)
	}
	x.values += p.values
	return p
}

// bitmap reads a bitmap, which must be part of another if that is not nil.
func (d *decoder) bitmap(of *roaring.Bitmap, mayBeEmpty bool) *roaring.Bitmap {
	rows := roaring.New()
	n := d.uvarint()
	switch {
	case d.err != nil:
		return rows
	case n > fewRows:
		d.roaring(rows, n-fewRows-1)
	default:
		next := uint64(0)
		for range n {
			gap := d.uvarint()
			if gap > math.MaxUint32 || next+gap > math.MaxUint32 {
				d.fail("a row beyond %d", uint32(math.MaxUint32))
				return rows
			}
			rows.Add(uint32(next + gap))
			next += gap + 1
		}
	}
	if n == 0 && !mayBeEmpty {
		d.fail("an empty bitmap")
	}
	if d.err == nil && of != nil && of.AndCardinality(rows) != rows.GetCardinality() {
		d.fail("a bitmap has rows that are not in its key or index")
	}
	return rows
}

// roaring reads a serialised bitmap.
func (d *decoder) roaring(rows *roaring.Bitmap, size uint64) {
	if size > uint64(len(d.rest)) {
		d.fail("a bitmap of %d bytes, %d are left", size, len(d.rest))
		return
	}
	b := d.take(int(size))
	if !cheap(b) {
		d.fail("a bitmap of %d bytes is cut short, or has too many runs", size)
		return
	}
	n, err := rows.ReadFrom(bytes.NewReader(b))
	if err == nil {
		err = rows.Validate()
	}
	switch {
	case err != nil:
		d.fail("read a bitmap: %w", err)
	case n != int64(size):
		d.fail("a bitmap of %d bytes has %d", size, n)
	case rows.GetCardinality() <= fewRows:
		d.fail("a bitmap of %d rows has the form of a larger one", rows.GetCardinality())
	}
}

// cheap reports whether a serialised bitmap is validated in reasonable time:
// that takes the square of the runs of a container. More than 2,047 are larger
// than a plain bitmap, so that none has more; with them it is 1 ms for 8 KiB.
func cheap(b []byte) bool {
	const withRuns, noOffsets, maxRuns, arrayRows, plainBytes = 12347, 4, 2047, 4096, 8192
	le := binary.LittleEndian
	if len(b) < 8 || le.Uint16(b) != withRuns {
		return len(b) >= 8
	}
	n := int(le.Uint16(b[2:])) + 1
	flags, head := 4, 4+(n+7)/8
	at := head + 4*n
	if n >= noOffsets {
		at += 4 * n
	}
	for i := range n {
		if at+2 > len(b) {
			return false
		}
		switch rows := int(le.Uint16(b[head+4*i+2:])) + 1; {
		case b[flags+i/8]&(1<<(i%8)) != 0:
			runs := int(le.Uint16(b[at:]))
			if runs > maxRuns {
				return false
			}
			at += 2 + 4*runs
		case rows > arrayRows:
			at += plainBytes
		default:
			at += 2 * rows
		}
	}
	return at == len(b)
}

func (d *decoder) take(n int) []byte {
	if n > len(d.rest) {
		d.fail("%d bytes are needed, %d are left", n, len(d.rest))
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) word() uint64 {
	if b := d.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail("no number")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) count(limit int, of string) int {
	n := d.uvarint()
	if n > uint64(limit) {
		d.fail("%d %s, the limit is %d", n, of, limit)
		return 0
	}
	return int(n)
}

func (d *decoder) text(limit int) string {
	return string(d.take(d.count(limit, "bytes of a text")))
}
