package space

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// held is a generation that a reader holds on to.
type held struct {
	sn    *Snapshot
	since int // the book's moment
	at    time.Time
}

// hold pins the newest generation, one that has to come or one of a little while
// ago; nil if that has been superseded for too long.
func (n *tenant) hold(rng *rand.Rand) (*held, error) {
	g := n.Current().Generation
	switch rng.IntN(4) {
	case 0:
		return n.pin(g, Consistency{Mode: At, Generation: g - min(g, memory.Generation(rng.IntN(40)))})
	case 1:
		return n.pin(g, Consistency{Mode: AtLeast, Generation: g})
	case 2:
		return n.pin(g, Consistency{Mode: AsOf, Time: n.clock.Now().Add(-time.Duration(rng.IntN(20)) * time.Second)})
	}
	return n.pin(g, Consistency{})
}

// pin pins what is wanted, when generation g has been seen.
func (n *tenant) pin(g memory.Generation, want Consistency) (*held, error) {
	p := &held{since: n.book.moment(), at: n.clock.Now()}
	sn, err := n.Pin(context.Background(), want)
	if f := fault.Of(err); err != nil && f.Reason == fault.GenerationExpired {
		superseded := want.Time.UnixNano()
		if want.Mode == At {
			next, _ := n.book.commit(want.Generation + 1)
			superseded = next.at
		}
		if n.clock.Now().UnixNano()-superseded > int64(n.Settings().History) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	switch got := sn.Generation; want.Mode {
	case At:
		if got != want.Generation {
			return nil, fmt.Errorf("generation %d is pinned, asked for was %d", got, want.Generation)
		}
	case AsOf:
		if e, ok := n.book.commit(got); got > 0 && (!ok || e.at > want.Time.UnixNano()) {
			return nil, fmt.Errorf("generation %d of %d is pinned, asked for was %d", got, e.at, want.Time.UnixNano())
		}
	default:
		if got < g {
			return nil, fmt.Errorf("generation %d is pinned, there was %d", got, g)
		}
	}
	p.sn = sn
	return p, nil
}

// ask asks a random question of what is pinned, and checks the answer.
func (n *tenant) ask(rng *rand.Rand, p *held) error {
	in := &inquiry{at: p.sn.Generation, since: p.since, limit: 1 + rng.IntN(20), exact: rng.IntN(3) == 0}
	q := &Question{Limit: in.limit, MinSimilarity: float32(math.Inf(-1)), Exact: in.exact, Now: n.clock.Now()}
	switch rng.IntN(4) {
	case 0:
		q.Now = q.Now.Add(time.Duration(rng.IntN(100)) * time.Second)
	case 1: // everything there is
		in.limit, q.Limit = 1_000_000, 1_000_000
	case 2:
		q.Effort = 10
	}
	in.now = q.Now.UnixNano()
	if rng.IntN(3) == 0 {
		in.tag = append(tags, "rare", "none")[rng.IntN(len(tags)+2)]
		var err error
		if q.Filter, err = tagFilter(in.tag); err != nil {
			return err
		}
	}
	in.cue = make([]float32, churnDim)
	for i := range in.cue {
		in.cue[i] = float32(3*rng.NormFloat64()) + 3
	}
	q.Vector = in.cue
	var hits []Hit
	if rng.IntN(8) == 0 { // the list of all, in order
		page, through, more, err := n.Page(p.sn, 0, q.Filter, 1_000_000, 1_000_000)
		if err != nil || more || through > p.sn.Generation {
			return fmt.Errorf("page of generation %d: through %d, more %v, %w", p.sn.Generation, through, more, err)
		}
		in.now, in.cue, in.limit, in.exact = 0, nil, 1_000_000, true
		for i, s := range page {
			if i > 0 && s.Generation <= page[i-1].Generation {
				return fmt.Errorf("page: generation %d after %d", s.Generation, page[i-1].Generation)
			}
			hits = append(hits, Hit{Observation: s.Observation, Generation: s.Generation})
		}
	} else {
		a, err := n.Recall(p.sn, q)
		if err != nil {
			return err
		}
		hits = a.Hits
	}
	if n.clock.Now().Sub(p.at) > eraseMargin {
		n.late.Add(1) // rows that it sees may have been erased
		return nil
	}
	n.recalls.Add(1)
	if p.sn.Generation < n.Current().Generation {
		n.pinned.Add(1)
	}
	if err := n.book.check(in, hits); err != nil {
		return fmt.Errorf("generation %d of %q, tag %q, exact %v, effort %d, limit %d, %d of %d rows indexed: %w",
			p.sn.Generation, n.ID(), in.tag, q.Exact, q.Effort, q.Limit, p.sn.indexed, p.sn.rows, err)
	}
	return nil
}

// read asks until the writers are done, and some more: of what has just been
// pinned, and again and again of something that was pinned before.
func (h *house) read(n *tenant, rng *rand.Rand) error {
	var kept *held
	for extra := 20; extra > 0; {
		if h.done.Load() {
			extra--
		}
		fresh, err := n.hold(rng)
		if err != nil {
			return err
		}
		if kept == nil || rng.IntN(20) == 0 || n.clock.Now().Sub(kept.at) > eraseMargin/2 {
			kept = fresh
		}
		for _, p := range []*held{fresh, kept} {
			if p == nil {
				continue
			}
			if err := n.ask(rng, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// agrees compares every generation that can still be asked for with the book.
func (n *tenant) agrees(t *testing.T, rng *rand.Rand) {
	t.Helper()
	last := n.Current().Generation
	for g := last; g > 0 && g+60 > last; g-- {
		p, err := n.pin(g, Consistency{Mode: At, Generation: g})
		if err != nil {
			t.Fatal(err)
		}
		if p == nil {
			break
		}
		for range 3 {
			if err := n.ask(rng, p); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// settle compares all spaces with their books when nobody writes: as they are,
// opened anew, and after what has lately been replaced was forgotten, which takes
// the versions before with it.
func (h *house) settle(t *testing.T, round uint64) {
	t.Helper()
	for _, stage := range []string{"at rest", "opened anew", "with less"} {
		if stage == "opened anew" {
			h.reopen(t)
		}
		for i, n := range h.tenants {
			if err := n.Wake(); err != nil {
				t.Fatal(err)
			}
			if stage == "with less" {
				if err := n.forget(n.book.replacedSince(n.Current().Generation-30), ""); err != nil {
					t.Fatal(err)
				}
			}
			if err := n.Check(); err != nil {
				t.Fatal(err)
			}
			if have := n.Stats().Live; int(have) != len(n.book.now) {
				t.Fatalf("%q %s: %d rows are live, want %d", n.ID(), stage, have, len(n.book.now))
			}
			n.agrees(t, rand.New(rand.NewPCG(round, uint64(i))))
		}
	}
}

// Three spaces that share what spaces share are written to by several sessions at
// once, indexed, consolidated, checkpointed, put to sleep and opened anew, and
// every recall meanwhile says what its generation has to say.
func TestConcurrentSpaces(t *testing.T) {
	rounds, batches, size, pace := 3, 45, 40, 3*time.Second
	if testing.Short() || raceDetector {
		rounds, batches, size, pace = 2, 24, 20, 4*time.Second
	}
	h := newHouse(t,
		Settings{ID: "one", Dimension: churnDim, Metric: memory.MetricEuclidean, IndexThreshold: 0, M: 8, EfConstruction: 40},
		Settings{ID: "two", Dimension: churnDim, Metric: memory.MetricCosine, IndexThreshold: 300, M: 4, EfConstruction: 20},
		Settings{ID: "three", Dimension: churnDim, Metric: memory.MetricDot, IndexThreshold: 2000, M: 8, EfConstruction: 40},
	)
	for round := range rounds {
		h.done.Store(false)
		var writers, others sync.WaitGroup
		beside := func(wg *sync.WaitGroup, what string, seed int, do func(*rand.Rand) error) {
			wg.Go(func() {
				if err := do(rand.New(rand.NewPCG(uint64(round), uint64(seed)))); err != nil {
					t.Errorf("round %d: %s: %v", round, what, err)
				}
			})
		}
		for i, n := range h.tenants {
			for w := range 2 {
				session := memory.SessionID(fmt.Sprintf("session-%d", w)) // of the same name in both
				beside(&writers, "write", 10*i+w, func(rng *rand.Rand) error { return n.write(rng, session, batches, size, pace) })
				beside(&others, "recall", 10*i+2+w, func(rng *rand.Rand) error { return h.read(n, rng) })
			}
			beside(&others, "index", 10*i+5, func(rng *rand.Rand) error { return h.index(n, rng) })
		}
		beside(&others, "checkpoint", 6, func(*rand.Rand) error { return h.save() })
		writers.Wait()
		h.done.Store(true)
		others.Wait()
		for _, n := range h.tenants {
			st := n.Stats()
			t.Logf("round %d, %q: generation %d, %d rows, %d live, %d recalls, %d of them of the past, %d too late; slept %d times",
				round, n.ID(), st.Generation, st.Rows, st.Live, n.recalls.Load(), n.pinned.Load(), n.late.Load(), h.slept.Load())
		}
		if t.Failed() {
			return
		}
		h.settle(t, uint64(round))
	}
	for _, n := range h.tenants {
		if n.recalls.Load() < 100 || n.pinned.Load() < 10 || n.late.Load() > n.recalls.Load() {
			t.Errorf("%q: %d recalls, %d of the past, %d too late", n.ID(), n.recalls.Load(), n.pinned.Load(), n.late.Load())
		}
	}
}
