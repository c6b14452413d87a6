package engine

import "sync"

// maxScratch bounds the slices that are kept, in elements: a few batches.
const maxScratch = 2048

// scratch is slices that are filled for one batch and done with after it, kept
// for the next: what the collector does about them is what recalls beside a
// stream wait for. All share them, so that who is idle has none. Its zero value
// is ready; any goroutine may call its methods at any time.
type scratch[T any] struct{ pool sync.Pool }

// get gives n elements, all zero. They are to be given to put once nobody
// refers to them any more, or left to the collector.
func (s *scratch[T]) get(n int) *[]T {
	if p, ok := s.pool.Get().(*[]T); ok && cap(*p) >= n {
		*p = (*p)[:n]
		return p
	}
	list := make([]T, n)
	return &list
}

// put takes them back. What the elements refer to is let go.
func (s *scratch[T]) put(p *[]T) {
	if cap(*p) > maxScratch {
		return
	}
	clear(*p)
	s.pool.Put(p)
}
