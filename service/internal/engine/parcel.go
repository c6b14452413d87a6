package engine

import (
	"sync"
	"sync/atomic"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/queue"
)

// maxParcelFloats bounds the memory for vectors that a parcel is kept with, in
// components (4 MiB).
const maxParcelFloats = 1 << 20

// Parcel is a batch on its way in, with the memory that its observations and
// their vectors lie in. It goes the whole way with them: once all of them are
// visible and the worker is done with their items, nobody refers to it, for a
// space has copied what it keeps, and it serves another batch. A batch that ends
// otherwise is left to the collector.
//
// It belongs to who got it until it is given to [Stream.Take], and is not to be
// used after.
type Parcel struct {
	In []Incoming
	// Observations has an element for each of In, which may point to it.
	Observations []memory.Observation
	// Vectors has as many components as were asked for, of any value.
	Vectors []float32

	home  *parcels
	in    *[]Incoming
	items []queue.Item
	owner *delivery
	held  atomic.Int64 // by the stream's reader, and by each item
}

// parcels are those that wait for their next batch. All streams share them: one
// that is idle has none.
type parcels struct {
	pool sync.Pool
	in   scratch[Incoming]
}

// Parcel gives one for a batch of n observations, whose vectors take so many
// components together.
func (e *Engine) Parcel(n, components int) *Parcel {
	p, ok := e.parcels.pool.Get().(*Parcel)
	if !ok {
		p = &Parcel{home: &e.parcels}
	}
	p.in = e.parcels.in.get(n)
	p.In = *p.in
	if cap(p.Observations) < n {
		p.Observations = make([]memory.Observation, n)
	}
	p.Observations = p.Observations[:n]
	if cap(p.Vectors) < components {
		p.Vectors = make([]float32, components)
	}
	p.Vectors = p.Vectors[:components]
	p.held.Store(1)
	return p
}

// taken ends what the reader of a stream does with it.
func (p *Parcel) taken() {
	p.home.in.put(p.in)
	p.in, p.In = nil, nil
	p.release()
}

// release ends one hold. Nobody has another when the last one ends.
func (p *Parcel) release() {
	if p.held.Add(-1) != 0 || cap(p.Observations) > maxScratch || cap(p.Vectors) > maxParcelFloats {
		return
	}
	clear(p.Observations) // what they refer to is not kept with them
	clear(p.items)
	p.items, p.owner = p.items[:0], nil
	p.home.pool.Put(p)
}

// itemsOf makes the queue's items of a part of the batch, which hold the parcel.
func (p *Parcel) itemsOf(id memory.SpaceID, sess memory.SessionID, inc memory.Incarnation, lane memory.Lane, owner *delivery,
	in []Incoming, seq memory.Sequence, rejected []memory.Rejection) []*queue.Item {
	if cap(p.items) < len(in) {
		p.items = make([]queue.Item, len(in))
	}
	p.items, p.owner = p.items[:len(in)], owner
	items := itemsIn(p.items, id, sess, inc, lane, owner, in, seq, rejected)
	p.held.Add(int64(len(items)))
	for _, it := range items {
		it.Owner = p
	}
	return items
}

// visible is the owner of an item of a parcel whose observation nobody looks at
// any more; the worker still looks at the item.
type visible Parcel

// unload takes the observations from items that are visible. Who would look at
// one of them later finds none, rather than another's.
func unload(items []*queue.Item) {
	for _, it := range items {
		if p, ok := it.Owner.(*Parcel); ok {
			it.Owner, it.Observation = (*visible)(p), nil
		}
	}
}

// finished ends the hold of items on their parcels, if they were unloaded.
func finished(items []*queue.Item) {
	for _, it := range items {
		if p, ok := it.Owner.(*visible); ok {
			it.Owner = nil
			(*Parcel)(p).release()
		}
	}
}
