package space

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"sync"

	"github.com/engram-stream/engram/service/internal/memory"
)

// told is one version of an observation: what a space was sent, and all that
// decides who may see it.
type told struct {
	id      memory.ObservationID
	vector  []float32
	tag     string
	expires int64 // Unix nanoseconds; 0 is never

	born     memory.Generation // known before anybody can see it
	replaced memory.Generation // likewise; 0: by none
	// leaving and forgotten are the moments at which a forget of it was called and
	// had returned, in events of the book; 0: not yet.
	leaving, forgotten int
}

// book is what one space was told, in order of generations, and so what each of
// its generations must and must not contain. Writers note in it what is about to
// become visible, readers ask; mu guards all of it.
type book struct {
	name   memory.SpaceID
	metric memory.Metric

	mu     sync.Mutex
	rows   []*told
	by     map[string]*told // by content, which names space, id and version
	now    map[memory.ObservationID]*told
	chain  map[memory.ObservationID][]*told // versions that were not forgotten
	sent   int
	events int
	ends   []end
}

// end is a commit: the newest generation of it, and its time in Unix nanoseconds.
type end struct {
	gen memory.Generation
	at  int64
}

func newBook(name memory.SpaceID, metric memory.Metric) *book {
	return &book{name: name, metric: metric, by: map[string]*told{}, now: map[memory.ObservationID]*told{}, chain: map[memory.ObservationID][]*told{}}
}

// enter notes an observation that is about to be sent, and gives it a content
// of its own.
func (b *book) enter(o *memory.Observation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent++
	o.Content = fmt.Sprintf("%s of %s, version %d", o.ID, b.name, b.sent)
	o.Digest, _ = memory.DigestOf(o)
	v := &told{id: o.ID, vector: o.Vector, tag: o.Metadata["tag"].(string)}
	if !o.ExpiresAt.IsZero() {
		v.expires = o.ExpiresAt.UnixNano()
	}
	b.by[o.Content] = v
}

// kept notes which generations a batch is going to have, and its time.
func (b *book) kept(batch []*memory.Observation, outcomes []memory.Outcome, last end) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ends = append(b.ends, last)
	for i, o := range batch {
		v, out := b.by[o.Content], outcomes[i]
		if out.Rejection != nil || out.Duplicate || out.Generation == 0 || v.born != 0 {
			return fmt.Errorf("%q was not kept: %+v", o.Content, out)
		}
		v.born = out.Generation
		if old := b.now[o.ID]; old != nil {
			old.replaced = v.born
		}
		b.now[o.ID] = v
		b.chain[o.ID] = append(b.chain[o.ID], v)
		b.rows = append(b.rows, v)
	}
	return nil
}

// leave notes that ids are about to be forgotten, every version of them; the
// function it returns, that they are.
func (b *book) leave(ids []memory.ObservationID, last end) (gone func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ends = append(b.ends, last)
	b.events++
	var all []*told
	for _, id := range ids {
		all = append(all, b.chain[id]...)
		delete(b.now, id)
		delete(b.chain, id)
	}
	for _, v := range all {
		v.leaving = b.events
	}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.events++
		for _, v := range all {
			v.forgotten = b.events
		}
	}
}

// tagged lists the ids that stand for an observation with a tag.
func (b *book) tagged(tag string) (ids []memory.ObservationID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, v := range b.now {
		if v.tag == tag {
			ids = append(ids, id)
		}
	}
	return ids
}

// replacedSince lists the ids that stood for something else at a generation.
func (b *book) replacedSince(g memory.Generation) (ids []memory.ObservationID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, versions := range b.chain {
		if n := len(versions); n > 1 && versions[n-2].born <= g && versions[n-1].born > g {
			ids = append(ids, id)
		}
	}
	return ids
}

// pick picks up to n ids that stand for something.
func (b *book) pick(n int, choose func(int) int) (ids []memory.ObservationID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range 3 * n {
		if len(b.rows) == 0 || len(ids) == n {
			break
		}
		if v := b.rows[choose(len(b.rows))]; b.now[v.id] == v && !slices.Contains(ids, v.id) {
			ids = append(ids, v.id)
		}
	}
	return ids
}

// commit finds the commit of a generation; ok is false if nobody has heard of it.
func (b *book) commit(g memory.Generation) (e end, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := sort.Search(len(b.ends), func(i int) bool { return b.ends[i].gen >= g })
	if i == len(b.ends) {
		return end{}, false
	}
	return b.ends[i], true
}

// moment is the number of the newest event.
func (b *book) moment() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.events
}

// inquiry is what an answer has to fit.
type inquiry struct {
	at    memory.Generation
	since int   // the moment from which on what was forgotten is not to be seen
	now   int64 // Unix nanoseconds; 0: what has expired is seen
	tag   string
	cue   []float32
	limit int
	exact bool // nothing nearer is left out
}

// sees reports whether the generation has a row, forgotten or not.
func (q *inquiry) sees(v *told) bool {
	return v.born != 0 && v.born <= q.at && (v.replaced == 0 || v.replaced > q.at) &&
		(v.expires == 0 || q.now == 0 || v.expires > q.now) && (q.tag == "" || v.tag == q.tag)
}

// similarity is that of the contract, in float64.
func (b *book) similarity(x, y []float32) float64 {
	var dot, xx, yy, d float64
	for i := range x {
		p, q := float64(x[i]), float64(y[i])
		dot, xx, yy, d = dot+p*q, xx+p*p, yy+q*q, d+(p-q)*(p-q)
	}
	switch b.metric {
	case memory.MetricCosine:
		return dot / math.Sqrt(xx*yy)
	case memory.MetricDot:
		return dot
	}
	return 1 / (1 + math.Sqrt(d))
}

// rounding is what a similarity in float32 may be off by.
func rounding(sim float64) float64 { return 1e-5 * (1 + math.Abs(sim)) }

// check compares an answer with a scan of the book. Rows that are being forgotten
// meanwhile may be in it or not; of all others it has what it must have: as many
// as there are, up to the limit, and if it is exact the nearest.
func (b *book) check(q *inquiry, hits []Hit) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := map[*told]bool{}
	worst := math.Inf(1)
	for _, h := range hits {
		o := h.Observation
		v := b.by[o.Content]
		switch {
		case v == nil || v.id != o.ID || !slices.Equal(v.vector, o.Vector) || v.tag != o.Metadata["tag"]:
			return fmt.Errorf("a foreign row: %q, %q", o.ID, o.Content)
		case h.Generation != v.born:
			return fmt.Errorf("%q is said to be of generation %d, it is of %d", o.Content, h.Generation, v.born)
		case !q.sees(v):
			return fmt.Errorf("%q: generations %d to %d, tag %q, expires %d: is not to be seen", o.Content, v.born, v.replaced, v.tag, v.expires)
		case v.forgotten != 0 && v.forgotten <= q.since:
			return fmt.Errorf("%q was forgotten before", o.Content)
		case seen[v]:
			return fmt.Errorf("%q is there twice", o.Content)
		}
		seen[v] = true
		if q.cue == nil {
			continue
		}
		sim := b.similarity(q.cue, v.vector)
		if math.Abs(sim-float64(h.Similarity)) > rounding(sim) || sim > worst+rounding(worst) {
			return fmt.Errorf("%q has similarity %v, want %v, after %v", o.Content, h.Similarity, sim, worst)
		}
		worst = min(worst, sim)
	}
	must := 0
	for _, v := range b.rows {
		if !q.sees(v) || v.leaving != 0 {
			continue
		}
		must++
		if seen[v] || len(hits) >= q.limit && (!q.exact || b.similarity(q.cue, v.vector) <= worst+rounding(worst)) {
			continue
		}
		if q.exact || len(hits) < q.limit {
			return fmt.Errorf("%q, version of generation %d, is missing among %d", v.id, v.born, len(hits))
		}
	}
	if len(hits) > q.limit || len(hits) < min(must, q.limit) {
		return fmt.Errorf("%d rows, of %d and a limit of %d", len(hits), must, q.limit)
	}
	return nil
}
