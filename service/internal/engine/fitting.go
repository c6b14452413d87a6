package engine

import (
	"errors"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/queue"
)

// carryFitting carries fresh items in as many frames as it takes for each to
// fit the journal: a batch is bounded in observations, and these may be large.
// One that does not fit alone is turned away; it must not end the writing of
// all the others.
func (p processor) carryFitting(sl *slot, items []*queue.Item) error {
	err := p.carry(sl, items, nil)
	var big *journal.FrameError
	if !errors.As(err, &big) {
		return err
	}
	// Nothing was written, nor told to anybody.
	if n := len(items); n > 1 {
		if err := p.carryFitting(sl, items[:n/2]); err != nil {
			return err
		}
		return p.carryFitting(sl, items[n/2:])
	}
	p.turnAway(items[0], fault.TooLarge, frameTooLarge(big).Message)
	return p.carry(sl, items, nil)
}

// turnAway makes an item one that is rejected: its number is decided, and it
// has no row.
func (p processor) turnAway(it *queue.Item, reason fault.Reason, message string) {
	r := &memory.Rejection{Sequence: it.Sequence, Reason: string(reason), Message: message}
	if o := it.Observation; o != nil && o.ID.Valid() {
		r.ObservationID = o.ID
	}
	if d := ownerOf(it); d.session != nil {
		d.session.Reject(*r)
	}
	p.rec.Rejected(string(it.Space), r.Reason, 1)
	it.Observation, it.Rejection = nil, r
}

func frameTooLarge(err *journal.FrameError) *fault.Error {
	return fault.New(fault.InvalidArgument, fault.TooLarge, "what is to be kept has %d bytes as the journal writes it; the limit is %d", err.Size, err.Limit).Because(err)
}
