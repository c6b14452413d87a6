package engine

import (
	"github.com/engram-stream/engram/service/internal/admission"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/queue"
	"github.com/engram-stream/engram/service/internal/session"
)

// delivery is who is told what becomes of items: the Owner of a queue.Item, or of
// the parcel that is.
type delivery struct {
	slot    *slot              // the space it was meant for, in this life of its name
	session *session.Session   // nil for a call that keeps no marks
	account *admission.Account // nil for a call
	call    *call              // nil for a stream
}

func ownerOf(it *queue.Item) *delivery {
	switch o := it.Owner.(type) {
	case *Parcel:
		return o.owner
	case *visible:
		return o.owner
	default:
		return o.(*delivery)
	}
}

// group is a run of items of one batch with one owner.
type group struct {
	owner *delivery
	from  int // index of the first item
	items []*queue.Item
	bytes int64
}

// grouped cuts a batch into runs of items with one owner.
func grouped(items []*queue.Item) []group {
	var out []group
	for i, it := range items {
		d := ownerOf(it)
		if n := len(out); n > 0 && out[n-1].owner == d {
			out[n-1].items = items[out[n-1].from : i+1]
			out[n-1].bytes += int64(it.Bytes)
			continue
		}
		out = append(out, group{owner: d, from: i, items: items[i : i+1], bytes: int64(it.Bytes)})
	}
	return out
}

func (g *group) last() memory.Sequence { return g.items[len(g.items)-1].Sequence }

// durable tells the owner that its items are decided on stable storage, and
// which of them got no row. gen is where the last of them will be visible.
func (g *group) durable(outcomes []memory.Outcome, gen memory.Generation) {
	d := g.owner
	if d.session != nil {
		for i := range g.items {
			// A rejection that came with the entry was told when it was made.
			if out := &outcomes[g.from+i]; out.Rejection != nil && g.items[i].Rejection == nil {
				d.session.Reject(*out.Rejection)
			}
		}
	}
	if d.account != nil {
		d.account.Decided(g.last(), len(g.items), g.bytes)
	}
	if d.call != nil {
		d.call.decided(g.items[0].Sequence, outcomes[g.from:g.from+len(g.items)], g.bytes)
	}
	if d.session != nil {
		d.session.Advance(memory.AckDurable, g.last(), gen)
	}
}

// reached tells the owner that everything up to seq has come to a level.
func (d *delivery) reached(level memory.AckLevel, seq memory.Sequence, gen memory.Generation) {
	if d.session != nil {
		d.session.Advance(level, seq, gen)
	}
	if d.call != nil {
		d.call.reached(level, seq, gen)
	}
}

// failed tells the owner that nothing will become of its items.
func (g *group) failed(f *fault.Error) {
	d := g.owner
	if d.account != nil {
		d.account.Decided(g.last(), len(g.items), g.bytes)
	}
	if d.call != nil {
		d.call.fail(f, g.bytes, len(g.items))
	}
	if d.session != nil {
		d.session.Fail(f)
	}
}
