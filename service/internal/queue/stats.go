package queue

import (
	"time"

	"github.com/engram-stream/engram/service/internal/memory"
)

// LaneStats is the state of one lane, by where the places are reserved.
type LaneStats struct {
	// Depth and Bytes are what waits.
	Depth int
	Bytes int64
	// InHand and InHandBytes are what workers have taken and not finished.
	InHand      int
	InHandBytes int64
	// Reserved and ReservedBytes are the places given out: granted, waiting
	// or being decided.
	Reserved      int
	ReservedBytes int64
	Capacity      Capacity
	// Oldest is when the longest-waiting item of this lane that stands at the
	// head of its session was pushed; zero when nothing waits.
	Oldest time.Time
}

// Stats is the state of the queue at one moment.
type Stats struct {
	Lanes [memory.LaneCount]LaneStats
	// Spaces is how many spaces have something waiting.
	Spaces int
}

// Depth is what waits in all lanes, in items.
func (s Stats) Depth() (n int) {
	for i := range s.Lanes {
		n += s.Lanes[i].Depth
	}
	return n
}

// Bytes is what the queue and the workers hold, in encoded bytes.
func (s Stats) Bytes() (n int64) {
	for i := range s.Lanes {
		n += s.Lanes[i].Bytes + s.Lanes[i].InHandBytes
	}
	return n
}

// Stats reads the state of the queue. It visits the head of every session that
// has something waiting.
func (q *ObservationQueue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := Stats{Spaces: len(q.spaces)}
	for i := range q.lanes {
		a := &q.lanes[i]
		s.Lanes[i] = LaneStats{
			Depth: a.waiting, Bytes: a.waitingBytes,
			InHand: a.inHand, InHandBytes: a.inHandBytes,
			Reserved: a.reserved, ReservedBytes: a.reservedBytes,
			Capacity: q.cfg.Lanes[i],
		}
	}
	for _, b := range q.spaces {
		for _, f := range b.flows {
			head := f.items[f.head]
			if l := &s.Lanes[head.Place]; l.Oldest.IsZero() || head.queued.Before(l.Oldest) {
				l.Oldest = head.queued
			}
		}
	}
	return s
}

// Depth is what waits in one lane, in items.
func (q *ObservationQueue) Depth(l memory.Lane) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lanes[l].waiting
}

// Pending is what waits in one space, in items.
func (q *ObservationQueue) Pending(space memory.SpaceID) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if b := q.spaces[space]; b != nil {
		return b.waiting
	}
	return 0
}

// Len is what waits or is in the hands of workers, in items.
func (q *ObservationQueue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.items
}

// Spaces lists the spaces that have something waiting, in no order.
func (q *ObservationQueue) Spaces() []memory.SpaceID {
	q.mu.Lock()
	defer q.mu.Unlock()
	ids := make([]memory.SpaceID, 0, len(q.spaces))
	for id := range q.spaces {
		ids = append(ids, id)
	}
	return ids
}
