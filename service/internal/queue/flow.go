package queue

import "github.com/engram-stream/engram/service/internal/memory"

// flowKey names a flow within its space. Entries without a session have no
// order among themselves, and share one flow for each lane.
type flowKey struct {
	session memory.SessionID
	lane    memory.Lane // zero for a session
}

func keyOf(it *Item) flowKey {
	if it.Session == "" {
		return flowKey{lane: min(it.Lane, memory.LaneLow)}
	}
	return flowKey{session: it.Session}
}

// flow is the waiting items of one session: a FIFO, linked into the ring of
// the lane it waits under. It exists only while it has items.
type flow struct {
	key   flowKey
	items []*Item // items[head:] are waiting
	head  int
	// waiting counts the items by the lane they ask for.
	waiting [memory.LaneCount]int
	// lane is the ring it is linked into.
	lane       memory.Lane
	next, prev *flow
}

// rank is the lane the flow belongs in: the highest that any of its items asks
// for, since all that stands before that item has to go first.
func (f *flow) rank() memory.Lane {
	for l, n := range f.waiting {
		if n > 0 {
			return memory.Lane(l)
		}
	}
	return memory.LaneLow
}

func (f *flow) empty() bool { return f.head == len(f.items) }

func (f *flow) push(it *Item) {
	// Room at the front is used before the slice grows, so a flow that never
	// runs empty does not creep through memory.
	if len(f.items) == cap(f.items) && f.head > len(f.items)/2 {
		n := copy(f.items, f.items[f.head:])
		clear(f.items[n:])
		f.items, f.head = f.items[:n], 0
	}
	f.items = append(f.items, it)
	f.waiting[min(it.Lane, memory.LaneLow)]++
}

func (f *flow) pop() *Item {
	it := f.items[f.head]
	f.items[f.head] = nil
	f.head++
	f.waiting[min(it.Lane, memory.LaneLow)]--
	return it
}

// ring is a circular list of flows; first is whose turn it is.
type ring struct{ first *flow }

// append links f in as the last to have its turn.
func (r *ring) append(f *flow) {
	if r.first == nil {
		r.first, f.next, f.prev = f, f, f
		return
	}
	last := r.first.prev
	last.next, f.prev = f, last
	f.next, r.first.prev = r.first, f
}

func (r *ring) remove(f *flow) {
	if f.next == f {
		r.first = nil
	} else {
		f.prev.next, f.next.prev = f.next, f.prev
		if r.first == f {
			r.first = f.next
		}
	}
	f.next, f.prev = nil, nil
}

// turn passes the turn to the next flow.
func (r *ring) turn() { r.first = r.first.next }
