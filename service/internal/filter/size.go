package filter

import "github.com/RoaringBitmap/roaring/v2"

// bitmapBytes is what a bitmap takes beside its containers, and its place in a
// map.
const bitmapBytes = 160

// Bytes is about the memory of the index. It walks all values.
func (x *Index) Bytes() (n int64) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	n = sizeOf(x.rows) + sizeOf(x.opaque)
	for key, p := range x.keys {
		n += int64(len(key)) + bitmapBytes + sizeOf(p.present) + sizeOf(p.long) + sizeOf(p.null) + sizeOf(p.bools[0]) + sizeOf(p.bools[1])
		for s, rows := range p.strings {
			n += int64(len(s)) + 16 + sizeOf(rows)
		}
		for _, rows := range p.numbers {
			n += 8 + sizeOf(rows)
		}
	}
	return n
}

func sizeOf(b *roaring.Bitmap) int64 {
	if b == nil {
		return 0
	}
	return int64(b.GetSizeInBytes()) + bitmapBytes //nolint:gosec // far below 2⁶³
}
