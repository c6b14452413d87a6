package space

import (
	"runtime"
	"sync/atomic"

	"github.com/engram-stream/engram/service/internal/vector"
)

// region is zeroed memory outside the collector's heap, at a multiple of a
// page. Codes lie in it: on the heap, as many bytes again would be kept free
// for what comes before the next collection. It is given back some time after
// the region itself cannot be reached; whoever uses its bytes keeps it so.
type region struct{ bytes []byte }

// offHeap counts the bytes of all regions there are.
var offHeap atomic.Int64

// OffHeap is the memory in bytes that all spaces of the process have taken
// from the system beside the heap.
func OffHeap() int64 { return offHeap.Load() }

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
