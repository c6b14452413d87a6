package session

import (
	"cmp"
	"slices"

	"github.com/engram-stream/engram/service/internal/memory"
)

// rejections are the final rejections of a session that are still repeated, by
// sequence number, each once.
type rejections []memory.Rejection

func bySequence(r memory.Rejection, seq memory.Sequence) int { return cmp.Compare(r.Sequence, seq) }

// put adds r; false when its number is there already. Validation rejects ahead
// of the workers, so r need not be the newest.
func (rs *rejections) put(r memory.Rejection) bool {
	i, found := slices.BinarySearchFunc(*rs, r.Sequence, bySequence)
	if found {
		return false
	}
	*rs = slices.Insert(*rs, i, r)
	return true
}

// between gives those with first ≤ sequence < end. The result shares memory.
func (rs rejections) between(first, end memory.Sequence) []memory.Rejection {
	i, _ := slices.BinarySearchFunc(rs, first, bySequence)
	j, _ := slices.BinarySearchFunc(rs, end, bySequence)
	return rs[i:max(i, j)]
}

// prune forgets those below floor. It moves memory only once as many are
// forgotten as stay, so that pruning costs a constant per rejection.
func (rs *rejections) prune(floor memory.Sequence) {
	i, _ := slices.BinarySearchFunc(*rs, floor, bySequence)
	if i > 0 && 2*i >= len(*rs) {
		*rs = slices.Delete(*rs, 0, i)
	}
}

// shrink leaves the newest keep, without messages, in as little memory as that
// takes.
func (rs *rejections) shrink(keep int) {
	newest := (*rs)[max(0, len(*rs)-keep):]
	kept := make(rejections, len(newest)) // no spare capacity
	copy(kept, newest)
	for i := range kept {
		kept[i].Message = ""
	}
	*rs = kept
}
