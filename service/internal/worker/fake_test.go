package worker

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a Processor that writes down what it is given and checks that a
// space is never handled twice at once. before, if set, runs ahead of that and
// may block, panic or fail.
type recorder struct {
	before     func(space memory.SpaceID, batch []*queue.Item) error
	quarantine func(it *queue.Item) error
	abandon    func(batch []*queue.Item)

	mu        sync.Mutex
	inside    map[memory.SpaceID]bool
	overlaps  int
	done      []*queue.Item // processed or quarantined, in order
	reasons   map[*queue.Item]string
	abandoned []*queue.Item
	batches   []int // sizes
	finished  map[*queue.Item]int
}

func (r *recorder) enter(space memory.SpaceID) func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inside == nil {
		r.inside = map[memory.SpaceID]bool{}
	}
	if r.inside[space] {
		r.overlaps++
	}
	r.inside[space] = true
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.inside[space] = false
	}
}

func (r *recorder) Finished(batch []*queue.Item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.finished == nil {
		r.finished = map[*queue.Item]int{}
	}
	for _, it := range batch {
		r.finished[it]++
	}
}

// finishedOnce fails unless each of n items was finished, and none twice. The
// pool is drained.
func (r *recorder) finishedOnce(t *testing.T, n int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.finished) != n {
		t.Errorf("%d items of %d are finished", len(r.finished), n)
	}
	for it, times := range r.finished {
		if times != 1 {
			t.Errorf("%s %d is finished %d times", it.Session, it.Sequence, times)
		}
	}
}

func (r *recorder) Process(_ context.Context, space memory.SpaceID, batch []*queue.Item) error {
	defer r.enter(space)()
	if r.before != nil {
		if err := r.before(space, batch); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = append(r.done, batch...)
	r.batches = append(r.batches, len(batch))
	return nil
}

func (r *recorder) Quarantine(_ context.Context, space memory.SpaceID, it *queue.Item, reason string) error {
	defer r.enter(space)()
	if r.quarantine != nil {
		if err := r.quarantine(it); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reasons == nil {
		r.reasons = map[*queue.Item]string{}
	}
	r.reasons[it] = reason
	r.done = append(r.done, it)
	return nil
}

func (r *recorder) Abandon(_ memory.SpaceID, batch []*queue.Item, _ error) {
	r.mu.Lock()
	r.abandoned = append(r.abandoned, batch...)
	r.mu.Unlock()
	if r.abandon != nil {
		r.abandon(batch)
	}
}

// sequences gives what was done in a space, as numbers.
func (r *recorder) sequences(space memory.SpaceID) (out []memory.Sequence) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, it := range r.done {
		if it.Space == space {
			out = append(out, it.Sequence)
		}
	}
	return out
}

// items makes the numbers first..last of a session.
func items(space memory.SpaceID, session memory.SessionID, first, last memory.Sequence) (out []*queue.Item) {
	for s := first; s <= last; s++ {
		out = append(out, &queue.Item{
			Entry: memory.Entry{Session: session, Sequence: s}, Space: space, Lane: memory.LaneNormal, Place: memory.LaneNormal, Bytes: 1,
		})
	}
	return out
}

// send pushes items, all of one space, and says so.
func (p *Pool) send(list []*queue.Item) {
	p.queue.Push(list)
	p.Notify(list[0].Space)
}

// start makes a running pool, stopped at the end of the test.
func start(t *testing.T, cfg Config, r *recorder) *Pool {
	t.Helper()
	p := New(cfg, queue.New(queue.Config{}), r, nil)
	p.Start()
	t.Cleanup(p.Stop)
	return p
}

func drain(t *testing.T, p *Pool) {
	t.Helper()
	if err := p.Drain(t.Context()); err != nil {
		t.Fatalf("Drain: %v", err)
	}
	if n := p.queue.Len(); n != 0 {
		t.Fatalf("%d items are left after a drain", n)
	}
}

// at names a space whose home is the given worker.
func (p *Pool) at(home, n int) memory.SpaceID {
	for i := 0; ; i++ {
		id := memory.SpaceID(fmt.Sprintf("space-%d", i))
		p.mu.Lock()
		l := p.leaseOf(id)
		found := l.home == home
		p.forget(l)
		p.mu.Unlock()
		if found {
			if n--; n < 0 {
				return id
			}
		}
	}
}

func (p *Pool) totals() (s Stats) {
	for _, w := range p.Stats() {
		s.Batches += w.Batches
		s.Stolen += w.Stolen
		s.Panics += w.Panics
		s.Restarts += w.Restarts
	}
	return s
}
