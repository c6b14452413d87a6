package space

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/engram-stream/engram/service/internal/memory"
)

// ledger is what a space under churn has been told, and so what its recalls may
// say. Owner: the test; the writer notes, readers ask. mu guards all of it and
// is held for moments only.
type ledger struct {
	mu   sync.Mutex
	sent map[string]*version // by content, which names id and version
	live []string            // ids that can be looked for
	at   map[string]int      // where in live
	now  map[string]*version // what an id stands for
	next int

	superseded []*version // oldest first
}

// version is one row that was sent.
type version struct {
	id     memory.ObservationID
	vector []float32
	// replaced is the generation at which it was superseded; 0: not yet, or not
	// known yet.
	replaced memory.Generation
	// forgotten is set before a recall begins that must not see it any more.
	forgotten bool
	stays     bool // is never taken away
}

func newLedger() *ledger {
	return &ledger{sent: map[string]*version{}, at: map[string]int{}, now: map[string]*version{}}
}

// fresh notes an observation that is about to be sent, under an id of its own
// or one that is there.
func (l *ledger) fresh(id string, stays bool, vector []float32) *memory.Observation {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	replaces := id != ""
	if !replaces {
		id = fmt.Sprintf("id-%d", l.next)
	}
	o := obs(id, vector...)
	o.Content = fmt.Sprintf("%s, version %d", id, l.next)
	o.Replace = replaces
	o.Digest, _ = memory.DigestOf(o)
	l.sent[o.Content] = &version{id: o.ID, vector: vector, stays: stays}
	return o
}

// kept notes that observations are visible, the last of them at generation g.
func (l *ledger) kept(batch []*memory.Observation, outcomes []memory.Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, o := range batch {
		v, id := l.sent[o.Content], string(o.ID)
		if old := l.now[id]; old != nil {
			old.replaced = outcomes[i].Generation
			l.superseded = append(l.superseded, old)
		} else {
			l.at[id] = len(l.live)
			l.live = append(l.live, id)
		}
		l.now[id] = v
	}
}

// gone notes that ids were forgotten, all versions of them.
func (l *ledger) gone(ids []memory.ObservationID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := map[memory.ObservationID]bool{}
	for _, id := range ids {
		taken[id] = true
		name := string(id)
		at, last := l.at[name], l.live[len(l.live)-1]
		l.live[at], l.at[last] = last, at
		l.live = l.live[:len(l.live)-1]
		delete(l.at, name)
		delete(l.now, name)
	}
	for _, v := range l.sent {
		if taken[v.id] {
			v.forgotten = true
		}
	}
}

// replacedLately picks a version that was replaced not long ago, and the first
// generation that does not have it any more; nil when there is none.
func (l *ledger) replacedLately(choose func(int) int) (vector []float32, g memory.Generation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.superseded)
	if n == 0 {
		return nil, 0
	}
	v := l.superseded[n-1-choose(min(n, 30))]
	return v.vector, v.replaced
}

// some picks n live ids that may be taken away, by choose.
func (l *ledger) some(n int, choose func(int) int) (ids []memory.ObservationID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := map[string]bool{}
	for range 4 * n {
		if id := l.live[choose(len(l.live))]; len(ids) < n && !l.now[id].stays && !seen[id] {
			seen[id] = true
			ids = append(ids, memory.ObservationID(id))
		}
	}
	return ids
}

// steady lists the versions that are never taken away.
func (l *ledger) steady() (out []*version) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range l.now {
		if v.stays {
			out = append(out, v)
		}
	}
	return out
}

// past is what was no longer to be seen when a recall began.
type past map[*version]bool

func (l *ledger) past() past {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := past{}
	for _, v := range l.sent {
		if v.forgotten {
			p[v] = true
		}
	}
	return p
}

// check finds what an answer to a recall that began at p must not say: rows
// nobody sent, of later generations, superseded or forgotten before, twice, out
// of order, or with a similarity that is not theirs.
func (l *ledger) check(sn *Snapshot, cue []float32, hits []Hit, p past) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := map[memory.ObservationID]bool{}
	for i, h := range hits {
		o := h.Observation
		v := l.sent[o.Content]
		switch {
		case v == nil || v.id != o.ID || !slices.Equal(v.vector, o.Vector):
			return fmt.Errorf("a foreign row: %q, %q, %v", o.ID, o.Content, o.Vector)
		case h.Generation > sn.Generation:
			return fmt.Errorf("%q is of generation %d, the answer of %d", o.Content, h.Generation, sn.Generation)
		case p[v]:
			return fmt.Errorf("%q was forgotten before", o.Content)
		case v.replaced != 0 && v.replaced <= sn.Generation:
			return fmt.Errorf("%q was replaced at generation %d, the answer is of %d", o.Content, v.replaced, sn.Generation)
		case seen[o.ID]:
			return fmt.Errorf("%q is there twice", o.ID)
		case i > 0 && h.Similarity > hits[i-1].Similarity:
			return fmt.Errorf("%q is in the wrong place", o.Content)
		}
		seen[o.ID] = true
		d := 0.0
		for j := range cue {
			d += float64(cue[j]-v.vector[j]) * float64(cue[j]-v.vector[j])
		}
		if want := 1 / (1 + math.Sqrt(d)); math.Abs(want-float64(h.Similarity)) > 1e-3 {
			return fmt.Errorf("%q has similarity %v, want %v", o.Content, h.Similarity, want)
		}
	}
	return nil
}
