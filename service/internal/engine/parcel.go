package engine

import (
	"sync/atomic"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/queue"
)

// Parcel is a batch on its way in, with the memory that its observations and
// their vectors lie in. It goes the whole way with them: once all of them are
// visible and the worker is done with their items, nobody refers to it, for a
// space has copied what it keeps, and its memory serves other batches. That of a
// batch that ends otherwise is left to the collector.
//
// It belongs to who got it until it is given to [Stream.Take], and is not to be
// used after.
type Parcel struct {
	In []Incoming
	// Observations has an element for each of In, which may point to it.
	Observations []memory.Observation
	// Vectors has as many components as were asked for.
	Vectors []float32

	home         *parcels
	in           *[]Incoming
	observations *[]memory.Observation
	vectors      *[]float32
	items        *[]queue.Item // nil before it has any
	owner        *delivery
	held         atomic.Int64 // by the stream's reader, and by each item
}

// parcels is the memory that parcels are made of.
type parcels struct {
	in           scratch[Incoming]
	observations scratch[memory.Observation]
	vectors      scratch[float32]
	items        scratch[queue.Item]
}

// Parcel gives one for a batch of n observations, whose vectors take so many
// components together. All elements are zero.
func (e *Engine) Parcel(n, components int) *Parcel {
	h := &e.parcels
	p := &Parcel{home: h, in: h.in.get(n), observations: h.observations.get(n), vectors: h.vectors.get(components)}
	p.In, p.Observations, p.Vectors = *p.in, *p.observations, *p.vectors
	p.held.Store(1)
	return p
}

// taken ends what the reader of a stream does with it.
func (p *Parcel) taken() {
	p.In = nil
	p.home.in.put(p.in)
	p.release()
}

// release ends one hold. Nobody has another when the last one ends.
func (p *Parcel) release() {
	if p.held.Add(-1) != 0 {
		return
	}
	p.Observations, p.Vectors = nil, nil
	p.home.observations.put(p.observations)
	p.home.vectors.put(p.vectors)
	if p.items != nil {
		p.home.items.put(p.items)
	}
}

// itemsOf makes the queue's items of a part of the batch, which hold the parcel.
func (p *Parcel) itemsOf(id memory.SpaceID, sess memory.SessionID, inc memory.Incarnation, lane memory.Lane, owner *delivery,
	in []Incoming, seq memory.Sequence, rejected []memory.Rejection) []*queue.Item {
	p.items, p.owner = p.home.items.get(len(in)), owner
	items := itemsIn(*p.items, id, sess, inc, lane, owner, in, seq, rejected)
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
