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

func TestScratchKeepsNothingThatIsLarge(t *testing.T) {
	var s scratch[int]
	big := make([]int, maxScratch+1)
	big[0] = 7
	if s.put(&big); big[0] != 7 {
		t.Errorf("%d elements are kept", len(big))
	}
}
