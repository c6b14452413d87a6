package engine

import (
	"math/bits"
	"sync"
	"unsafe"
)

const (
	// maxScratch bounds the slices that are kept, in bytes: what is larger is
	// rare.
	maxScratch = 4 << 20
	// scratchClasses is one for each power of two of elements up to there.
	scratchClasses = 23
)

// scratch is slices that are filled for one batch and done with after it, kept
// for others: what the collector does about them is what recalls beside a
// stream wait for. All share them, so that who is idle has none; those of a
// class serve only where less would not do, so that none is more than twice
// what it is used for. Its zero value is ready; any goroutine may call its
// methods at any time.
type scratch[T any] struct{ classes [scratchClasses]sync.Pool }

// classOf is the power of two that n fits in, and no smaller one.
func classOf(n int) int { return bits.Len(uint(max(n, 1) - 1)) }

// get gives n elements, all zero. They are to be given to put once nobody
// refers to them any more, or left to the collector.
func (s *scratch[T]) get(n int) *[]T {
	if c := classOf(n); c < scratchClasses {
		if p, ok := s.classes[c].Get().(*[]T); ok && cap(*p) >= n {
			*p = (*p)[:n]
			return p
		}
	}
	list := make([]T, n)
	return &list
}

// put takes them back. What the elements refer to is let go.
func (s *scratch[T]) put(p *[]T) {
	var one T
	if n := cap(*p); n > 0 && uintptr(n)*unsafe.Sizeof(one) <= maxScratch {
		clear(*p)
		s.classes[classOf(n)].Put(p)
	}
}
