package filter

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// AppendImage appends the whole index to b, for [LoadIndex] to read. Rows added
// or removed meanwhile wait now and then, and are not in the image, or still.
func (x *Index) AppendImage(b []byte) []byte { return x.AppendImagePausing(b, func() {}) }

// AppendImagePausing is AppendImage that calls pause, which may sleep, every
// imagePiece bytes or so, with nothing locked.
func (x *Index) AppendImagePausing(b []byte, pause func()) []byte {
	x.mu.RLock()
	w := imaging{x: x, pause: pause, rows: x.rows.Clone(), changes: x.changes}
	overflow, opaque, keys := byte(0), x.opaque.Clone(), slices.Sorted(maps.Keys(x.keys))
	if x.overflow {
		overflow = 1
	}
	x.mu.RUnlock()
	b = append(b, imageMagic...)
	b = append(b, imageVersion, overflow)
	b = appendBitmap(b, w.rows)
	b = appendBitmap(b, opaque)
	n := 0
	for _, key := range keys {
		w.pause()
		n += w.key(key)
	}
	return append(binary.AppendUvarint(b, uint64(n)), w.keys...)
}

// imagePiece is how many bytes are appended between two pauses, and imageValues
// how many values of a key at most.
const (
	imagePiece  = 64 << 10
	imageValues = 64
)

// imaging is an image that is being made: of the rows there were at its
// beginning, while others come and go. It takes the lock for one piece at a time.
type imaging struct {
	x     *Index
	pause func()
	rows  *roaring.Bitmap
	// changes is what the index had counted then.
	changes uint64
	keys    []byte // what comes after the number of keys
}

// part gives those of some rows that there were at the beginning. mu is held.
func (w *imaging) part(rows *roaring.Bitmap) *roaring.Bitmap {
	if w.x.changes == w.changes { // nothing came or went
		return rows
	}
	return roaring.And(rows, w.rows)
}

// key appends a key and returns 1, or 0 if it has no rows of the beginning.
func (w *imaging) key(key string) int {
	start := len(w.keys)
	w.keys = appendText(w.keys, key)
	head := len(w.keys)
	p, texts, numbers := w.head(key)
	if p == nil {
		w.keys = w.keys[:start]
		return 0
	}
	there := appendValues(w, p, texts, func(s string) *roaring.Bitmap { return p.strings[s] }, appendText) &&
		appendValues(w, p, numbers, func(n float64) *roaring.Bitmap { return p.numbers[n] }, appendNumber)
	if !there {
		w.keys = append(w.keys[:head], flagDropped)
	}
	return 1
}

// head appends what comes before the values of a key, and gives these; no
// postings if it has no rows of the beginning.
func (w *imaging) head(key string) (p *postings, texts []string, numbers []float64) {
	w.x.mu.RLock()
	defer w.x.mu.RUnlock()
	if p = w.x.keys[key]; p == nil || p.dropped {
		return p, nil, nil
	}
	present := w.part(p.present)
	if present.IsEmpty() {
		return nil, nil, nil
	}
	flags := len(w.keys)
	w.keys = appendBitmap(append(w.keys, 0), present)
	for _, part := range p.parts() {
		if *part.rows == nil {
			continue
		}
		if rows := w.part(*part.rows); !rows.IsEmpty() {
			w.keys[flags] |= part.flag
			w.keys = appendBitmap(w.keys, rows)
		}
	}
	return p, slices.Sorted(maps.Keys(p.strings)), slices.SortedFunc(maps.Keys(p.numbers), compareBits)
}

// appendValues appends the number of values of a key, and each with its rows;
// false if the key is dropped.
func appendValues[V string | float64](w *imaging, p *postings, values []V, rowsOf func(V) *roaring.Bitmap, encode func([]byte, V) []byte) bool {
	var out []byte
	n, taken := 0, 0
	piece := func() bool {
		w.x.mu.RLock()
		defer w.x.mu.RUnlock()
		for from := len(out); taken < len(values) && len(out)-from < imagePiece && !p.dropped; {
			v := values[taken]
			taken++
			if rows := rowsOf(v); rows != nil {
				if rows = w.part(rows); !rows.IsEmpty() {
					out = appendBitmap(encode(out, v), rows)
					n++
				}
			}
			if taken%imageValues == 0 {
				break
			}
		}
		return !p.dropped
	}
	for {
		if !piece() {
			return false
		}
		if taken == len(values) {
			break
		}
		w.pause()
	}
	w.keys = append(binary.AppendUvarint(w.keys, uint64(n)), out...)
	return true
}

func appendNumber(b []byte, n float64) []byte {
	return binary.LittleEndian.AppendUint64(b, bitsOf(n))
}
