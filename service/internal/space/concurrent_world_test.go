package space

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/memory"
)

// tenant is one of several spaces that share a clock, the files of checkpoints
// and the memory of recalls, and have the same ids. Whoever holds the lease
// writes to it. Between two rounds nobody runs and it is opened anew.
type tenant struct {
	*world
	lease  sync.Mutex
	book   *book
	frames int // of the world's, how many are in the checkpoint

	recalls, late atomic.Int64 // answers that were checked, and that came too late to be
	pinned        atomic.Int64 // answers at a generation that was not the newest
}

// house is all of them and the disk they share.
type house struct {
	*disk
	tenants []*tenant
	done    atomic.Bool // the writers have ended: the others are to
	slept   atomic.Int64
}

func newHouse(t *testing.T, all ...Settings) *house {
	h := &house{disk: newDisk(t)}
	for i, set := range all {
		w := newWorld(set)
		if i > 0 {
			w.clock = h.tenants[0].clock
			w.Space = New(w.Settings(), w.clock)
		}
		h.tenants = append(h.tenants, &tenant{world: w, book: newBook(set.ID, set.Metric)})
	}
	return h
}

// alone does something as a worker does: awake, and holding the space.
func (n *tenant) alone(do func() error) error {
	n.lease.Lock()
	defer n.lease.Unlock()
	if err := n.Wake(); err != nil {
		return err
	}
	return do()
}

var tags = []string{"red", "green", "blue"}

// observation makes one that is new, or replaces another; some expire soon.
func (n *tenant) observation(rng *rand.Rand, id memory.ObservationID, tag string) *memory.Observation {
	v := make([]float32, churnDim)
	for i := range v {
		v[i] = float32(rng.NormFloat64()) + float32(3*rng.IntN(3))
	}
	o := obs(string(id), v...)
	o.Replace = true
	o.Metadata = map[string]any{"tag": tag}
	if rng.IntN(5) == 0 {
		o.ExpiresAt = n.clock.Now().Add(time.Duration(rng.IntN(120)) * time.Second)
	}
	n.book.enter(o)
	return o
}

// write is one of several writers of a space, with a session of its own.
func (n *tenant) write(rng *rand.Rand, session memory.SessionID, batches, size int, pace time.Duration) error {
	var last []memory.Entry
	number := n.applied(session)
	for round := range batches {
		if err := n.alone(func() error {
			var batch []*memory.Observation
			for range 1 + rng.IntN(size) {
				tag := tags[rng.IntN(len(tags))]
				if rng.IntN(20) == 0 {
					tag = "rare"
				}
				batch = append(batch, n.observation(rng, memory.ObservationID(fmt.Sprintf("%s-%d-%d", session, number, len(batch))), tag))
			}
			for _, id := range n.book.pick(len(batch)/3, rng.IntN) { // in the same batch and others
				batch = append(batch, n.observation(rng, id, tags[rng.IntN(len(tags))]))
			}
			entries := make([]memory.Entry, len(batch))
			for i, o := range batch {
				number++
				entries[i] = memory.Entry{Session: session, Incarnation: 1, Sequence: number, Observation: o}
			}
			last = entries
			return n.carry(rng, batch, entries)
		}); err != nil {
			return err
		}
		if err := n.alone(func() error {
			switch {
			case round%8 == 7:
				return n.again(last)
			case round%8 == 5:
				return n.forget(nil, "rare")
			}
			return n.forget(n.book.pick(rng.IntN(size), rng.IntN), "")
		}); err != nil {
			return err
		}
		n.clock.Advance(pace) // what was superseded long ago may be erased
	}
	return nil
}

// applied is how far a session's numbers have come.
func (n *tenant) applied(session memory.SessionID) memory.Sequence {
	for _, m := range n.Marks() {
		if m.Session == session {
			return m.Durable
		}
	}
	return 0
}

// carry takes a batch the whole way, and shows it in pieces.
func (n *tenant) carry(rng *rand.Rand, batch []*memory.Observation, entries []memory.Entry) error {
	b := n.Prepare(entries, nil)
	if err := n.book.kept(batch, b.Outcomes, end{b.Generation(), b.commit}); err != nil {
		return err
	}
	n.world.frames = append(n.world.frames, b.Frame)
	n.Begin(b)
	for b.applied < b.Rows() {
		n.Apply(b, min(b.Rows(), b.applied+1+rng.IntN(b.Rows())))
		if g, want := n.Publish(b), b.rows[b.applied-1].gen; g != want {
			return fmt.Errorf("generation %d is visible, want %d", g, want)
		}
	}
	return nil
}

// again sends a batch that is kept already: nothing comes of it.
func (n *tenant) again(entries []memory.Entry) error {
	before := n.Current().Generation
	for i, out := range n.take(entries...) {
		if !out.Duplicate {
			return fmt.Errorf("entry %d is taken again: %+v", i, out)
		}
	}
	if g := n.Current().Generation; g != before {
		return fmt.Errorf("generation %d after a batch that came again, %d before", g, before)
	}
	return nil
}

// forget forgets ids, or those that a tag stands for.
func (n *tenant) forget(ids []memory.ObservationID, tag string) error {
	p, err := tagFilter(tag)
	if tag == "" {
		p = nil
	} else {
		ids = n.book.tagged(tag)
	}
	if err != nil || len(ids) == 0 {
		return err
	}
	f, gens := n.PrepareForget(ids, p)
	if len(gens) != len(ids) {
		return fmt.Errorf("%d rows are forgotten, want %d", len(gens), len(ids))
	}
	n.world.frames = append(n.world.frames, f)
	gone := n.book.leave(ids, end{f.FirstGeneration, f.CommitTime})
	n.ApplyForget(f, gens)
	gone()
	return nil
}

// tagFilter matches observations with a tag.
func tagFilter(tag string) (*filter.Predicate, error) {
	return filter.Compile(filter.Expr{All: []filter.Clause{{Key: "metadata.tag", Op: filter.Equals, Values: []any{tag}}}})
}

// index moves rows into the graph until the writers are done and nothing waits.
func (h *house) index(n *tenant, rng *rand.Rand) error {
	for !h.done.Load() || n.WantsIndexing() {
		asked, enough := 0, 1+rng.IntN(4000)
		n.Index(1+rng.IntN(500), func() bool { asked++; return asked < enough }) // broken off now and then
		if asked == 0 {
			select { // nothing waits: until somebody writes, or the end
			case <-n.Current().Next():
			case <-time.After(time.Millisecond):
			}
		}
	}
	return nil
}

// save makes checkpoints of all spaces, in files that they share, and puts to
// sleep those that nobody wrote to meanwhile.
func (h *house) save() error {
	for last := false; !last; {
		last = h.done.Load()
		if err := h.saveOnce(); err != nil {
			return err
		}
		for _, n := range h.tenants {
			n.lease.Lock()
			if n.frames == len(n.world.frames) && n.Sleep() {
				h.slept.Add(1)
			}
			n.lease.Unlock()
		}
	}
	return nil
}

func (h *house) saveOnce() (err error) {
	files := &oneFile{store: h.store}
	captures, entries := make([]*Capture, len(h.tenants)), make([]checkpoint.Entry, len(h.tenants))
	frames := make([]int, len(h.tenants))
	for i, n := range h.tenants {
		if err := n.alone(func() error {
			frames[i] = len(n.world.frames)
			if captures[i] = n.Capture(uint64(frames[i]), false); captures[i] == nil {
				return errors.New("no capture")
			}
			return nil
		}); err != nil {
			return fmt.Errorf("capture %q: %w", n.ID(), err)
		}
		if entries[i], err = captures[i].Write(files); err != nil {
			return fmt.Errorf("write %q: %w", n.ID(), err)
		}
	}
	if err := files.finish(); err != nil {
		return err
	}
	if _, err := h.store.Commit(checkpoint.Catalog{Spaces: entries}); err != nil {
		return err
	}
	for i, n := range h.tenants {
		if err := n.alone(func() error {
			n.frames = frames[i]
			return errors.Join(captures[i].Install(h.store, entries[i]), n.Check())
		}); err != nil {
			return fmt.Errorf("install %q: %w", n.ID(), err)
		}
	}
	return nil
}

// reopen is a start: each space from its checkpoint, and the frames after that.
func (h *house) reopen(t *testing.T) {
	t.Helper()
	if err := h.store.Close(); err != nil {
		t.Fatal(err)
	}
	h.open(t)
	for i, n := range h.tenants {
		s, through, err := Restore(h.store, h.store.Latest().Spaces[i], n.clock)
		if err != nil || int(through) != n.frames || s.ID() != n.ID() {
			t.Fatalf("space %q through frame %d is %q through frame %d: %v", n.ID(), n.frames, s.ID(), through, err)
		}
		for _, f := range n.world.frames[through:] {
			if err := errors.Join(s.Wake(), s.Replay(f)); err != nil {
				t.Fatal(err)
			}
		}
		n.Space = s
	}
}
