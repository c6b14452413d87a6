package engine

import (
	"slices"
	"sync"
	"testing"
)

// What is got is zero, of the length asked for, and nobody else's, however it
// was left.
func TestScratchIsCleanAndNobodyElses(t *testing.T) {
	var s scratch[*int]
	var done sync.WaitGroup
	for w := range 4 {
		done.Go(func() {
			mine := new(int)
			for i := range 500 {
				n := (i*7 + w) % 100
				p := s.get(n)
				if len(*p) != n || slices.ContainsFunc(*p, func(e *int) bool { return e != nil }) {
					t.Errorf("got %v, want %d times nothing", *p, n)
					return
				}
				for k := range *p {
					(*p)[k] = mine
				}
				if slices.ContainsFunc(*p, func(e *int) bool { return e != mine }) {
					t.Error("somebody else has them too")
					return
				}
				if i%5 != 0 { // some go to the collector
					s.put(p)
				}
			}
		})
	}
	done.Wait()
}

// What is kept is neither large, nor much more than what it is used for.
func TestScratchKeepsNothingThatIsLarge(t *testing.T) {
	var s scratch[byte]
	for _, c := range []struct {
		size int
		kept bool
	}{{0, false}, {1, true}, {maxScratch, true}, {maxScratch + 1, false}} {
		list := make([]byte, c.size)
		if c.size > 0 {
			list[0] = 7
		}
		if s.put(&list); c.size > 0 && (list[0] == 0) != c.kept {
			t.Errorf("%d bytes: kept %v, want %v", c.size, !c.kept, c.kept)
		}
	}
	for n := range 2000 {
		list := make([]byte, n)
		s.put(&list)
		for _, ask := range []int{1, n / 4, n / 2, n, n + 1} {
			if p := s.get(ask); cap(*p) > 2*max(ask, 1) {
				t.Fatalf("%d bytes for %d", cap(*p), ask)
			}
		}
	}
}
