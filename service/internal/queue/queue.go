package queue

import (
	"fmt"
	"sync"
	"time"

	"github.com/engram-stream/engram/service/internal/memory"
)

// ObservationQueue is the bounded queue between admission and the workers.
// All methods may be called from any goroutine at the same time, with one
// exception: who calls Take for a space holds that space.
type ObservationQueue struct {
	cfg Config

	mu     sync.Mutex // innermost; guards all below
	lanes  [memory.LaneCount]lane
	spaces map[memory.SpaceID]*backlog
	// items is what waits or is in a worker's hands.
	items int
}

// lane counts one lane. Reservations and depth are kept apart: see the
// package's text on places.
type lane struct {
	reserved      int
	reservedBytes int64
	waiting       int
	waitingBytes  int64
	inHand        int
	inHandBytes   int64
}

// New makes an empty queue.
func New(cfg Config) *ObservationQueue {
	return &ObservationQueue{cfg: cfg.withDefaults(), spaces: make(map[memory.SpaceID]*backlog)}
}

// Capacity is the bound of one lane.
func (q *ObservationQueue) Capacity(l memory.Lane) Capacity { return q.cfg.Lanes[l] }

// Reserve takes places for items and bytes in a lane, all or nothing, and
// reports whether it did.
func (q *ObservationQueue) Reserve(l memory.Lane, items int, bytes int64) bool {
	if items < 0 || bytes < 0 {
		panic(fmt.Sprintf("reserve %d items and %d bytes: negative", items, bytes))
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	c, a := q.cfg.Lanes[l], &q.lanes[l]
	// Differences, not sums: they cannot overflow.
	if items > c.Items-a.reserved || bytes > c.Bytes-a.reservedBytes {
		return false
	}
	a.reserved += items
	a.reservedBytes += bytes
	return true
}

// Release gives places back. Giving back more than was reserved is a mistake
// in the caller's books and panics, as it would let the queue grow past its
// bound unseen.
func (q *ObservationQueue) Release(l memory.Lane, items int, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	a := &q.lanes[l]
	if items < 0 || bytes < 0 || items > a.reserved || bytes > a.reservedBytes {
		panic(fmt.Sprintf("release %d items and %d bytes of lane %v: %d items and %d bytes are reserved",
			items, bytes, l, a.reserved, a.reservedBytes))
	}
	a.reserved -= items
	a.reservedBytes -= bytes
}

// Free is what can be reserved in a lane at this moment.
func (q *ObservationQueue) Free(l memory.Lane) Capacity {
	q.mu.Lock()
	defer q.mu.Unlock()
	c, a := q.cfg.Lanes[l], &q.lanes[l]
	return Capacity{Items: c.Items - a.reserved, Bytes: c.Bytes - a.reservedBytes}
}

// Push appends items, all of one space, whose places the caller has reserved.
// It never blocks and never fails. It reports whether the space had nothing
// waiting before.
func (q *ObservationQueue) Push(items []*Item) (becameReady bool) {
	if len(items) == 0 {
		return false
	}
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.spaces[items[0].Space]
	if b == nil {
		b, becameReady = newBacklog(), true
		q.spaces[items[0].Space] = b
	}
	for _, it := range items {
		it.queued = now
		b.push(it)
		a := &q.lanes[it.Place]
		a.waiting++
		a.waitingBytes += int64(it.Bytes)
	}
	q.items += len(items)
	return becameReady
}

// Take moves up to limit items of a space to the end of into: by lane and turn,
// each session in order. The caller holds the space and owes a Done for every
// item it got.
func (q *ObservationQueue) Take(space memory.SpaceID, limit int, into []*Item) []*Item {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.spaces[space]
	if b == nil {
		return into
	}
	for n := 0; n < limit && b.waiting > 0; n++ {
		it := b.pop(&q.cfg.Weights)
		a := &q.lanes[it.Place]
		a.waiting--
		a.waitingBytes -= int64(it.Bytes)
		a.inHand++
		a.inHandBytes += int64(it.Bytes)
		into = append(into, it)
	}
	if b.waiting == 0 {
		delete(q.spaces, space)
	}
	return into
}

// Done says that the items a worker took are out of its hands: applied,
// quarantined or abandoned.
func (q *ObservationQueue) Done(items []*Item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, it := range items {
		a := &q.lanes[it.Place]
		a.inHand--
		a.inHandBytes -= int64(it.Bytes)
	}
	q.items -= len(items)
}

// DropSpace takes everything that waits in a space out of the queue, each
// session in order. The caller tells the owners; no Done is owed.
func (q *ObservationQueue) DropSpace(space memory.SpaceID) []*Item {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.spaces[space]
	if b == nil {
		return nil
	}
	dropped := make([]*Item, 0, b.waiting)
	for b.waiting > 0 {
		it := b.pop(&q.cfg.Weights)
		a := &q.lanes[it.Place]
		a.waiting--
		a.waitingBytes -= int64(it.Bytes)
		dropped = append(dropped, it)
	}
	delete(q.spaces, space)
	q.items -= len(dropped)
	return dropped
}
