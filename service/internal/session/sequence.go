package session

import (
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// Plan says what to do with a batch of n observations: the first Duplicates
// are known already and are skipped; the next Accept are new, to be validated,
// admitted and accepted; the rest is discarded. Discarded is all or nothing.
type Plan struct {
	Duplicates int
	Accept     int
	Discarded  int
}

// checkRange refuses a batch that has no place among sequence numbers.
func checkRange(first memory.Sequence, n int) error {
	switch {
	case first == 0:
		return fault.New(fault.InvalidArgument, fault.InvalidSequence,
			"first_sequence is 0; the first observation of a session has number 1").In("first_sequence")
	case n < 0 || uint64(first)+uint64(n) < uint64(first):
		return fault.New(fault.InvalidArgument, fault.InvalidSequence,
			"first_sequence %d with %d observations passes the largest sequence number", first, n).In("first_sequence")
	}
	return nil
}

// classify applies rules 1, 3 and 4 of the contract to the batch first..first+n-1
// when next is the number expected. The range must have been checked.
func classify(first memory.Sequence, n int, next memory.Sequence) Plan {
	switch end := first + memory.Sequence(n); { // one past the last
	case end <= next:
		return Plan{Duplicates: n}
	case first > next:
		return Plan{Discarded: n}
	default:
		known := int(next - first)
		return Plan{Duplicates: known, Accept: n - known}
	}
}

// goBack is the state of go-back-N on one stream (rule 3): after a refusal or
// a gap, everything above the expected number is discarded and said once.
type goBack struct {
	active    bool
	discarded int
}

// arrived ends it: the expected number came.
func (g *goBack) arrived() { *g = goBack{} }

// begin starts it, when the client has been told by other means.
func (g *goBack) begin() { *g = goBack{active: true} }

// discard counts n observations above the expected number. It reports whether
// this is news to the client, and whether more than limit have been discarded.
func (g *goBack) discard(n, limit int) (news, exceeded bool) {
	news = !g.active
	g.active = true
	g.discarded = min(g.discarded, limit) + n
	return news, g.discarded > limit
}
