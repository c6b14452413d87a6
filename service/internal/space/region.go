package space

import (
	"runtime"
	"sync/atomic"

	"github.com/engram-stream/engram/service/internal/vector"
)

// region is zeroed memory outside the collector's heap, at a multiple of a
// page. Codes and the vectors of new
// rows lie in it: on the heap, as many bytes again would be kept free
// for what comes before the next collection. It is given back some time after
// the region itself cannot be reached; whoever uses its bytes keeps it so.
type region struct{ bytes []byte }

// offHeap counts the bytes of all regions there are.
var offHeap atomic.Int64

// OffHeap is the memory in bytes that all spaces of the process have taken
// from the system beside the heap.
func OffHeap() int64 { return offHeap.Load() }

// regionFloats is the size of columns from which these lie in a region.
const regionFloats = 1 << 18

// newVectors is room for the vectors of a chunk, and what keeps it; nil if it
// is on the heap.
func newVectors(n int) ([]float32, any) {
	if n < regionFloats || !littleEndian {
		return make([]float32, n), nil
	}
	r := newRegion(4 * n)
	return numbers[float32](r.bytes), r
}

// inFile reports whether the owner of bytes is a file.
func inFile(owner any) bool {
	_, anonymous := owner.(*region)
	return owner != nil && !anonymous
}

// newRegion takes n bytes, from the heap if the system gives none.
func newRegion(n int) *region {
	b, err := mapAnonymous(n)
	if err != nil {
		return &region{bytes: vector.NewCodeChunk(1, n)}
	}
	r := &region{bytes: b}
	offHeap.Add(int64(len(b)))
	runtime.AddCleanup(r, func(b []byte) {
		offHeap.Add(-int64(len(b)))
		unmapAnonymous(b)
	}, b)
	return r
}
