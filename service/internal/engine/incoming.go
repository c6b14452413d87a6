package engine

import (
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/queue"
	"github.com/engram-stream/engram/service/internal/telemetry"
)

// Incoming is one observation as it comes from the wire.
type Incoming struct {
	// Observation is set unless Fault says that it could not be read.
	Observation *memory.Observation
	// ClaimedID is the id that was sent with an observation that could not be
	// read.
	ClaimedID memory.ObservationID
	Fault     *fault.Error
	// Bytes is its encoded size, MetadataBytes that of its metadata.
	Bytes         int
	MetadataBytes int
	// HasPriority says that the observation names a lane of its own.
	HasPriority bool
	Trip        telemetry.Trip
}

func (in *Incoming) id() memory.ObservationID {
	if in.Observation != nil {
		return in.Observation.ID
	}
	return in.ClaimedID
}

// sizeOf sums the encoded bytes of a batch.
func sizeOf(in []Incoming) (n int64) {
	for i := range in {
		n += int64(in[i].Bytes)
	}
	return n
}

// together puts items that no session orders into one lane, the highest that
// any of them asks for: a call is told of its items in their order.
func together(items []*queue.Item) {
	lane := items[0].Lane
	for _, it := range items {
		lane = min(lane, it.Lane)
	}
	for _, it := range items {
		it.Lane = lane
	}
}

// itemsOf makes the queue's items of a batch whose numbers start at seq. Those
// that have a rejection, sorted by number, travel without their observation.
func itemsOf(id memory.SpaceID, sess memory.SessionID, inc memory.Incarnation, lane memory.Lane, owner *delivery,
	in []Incoming, seq memory.Sequence, rejected []memory.Rejection) []*queue.Item {
	return itemsIn(make([]queue.Item, len(in)), id, sess, inc, lane, owner, in, seq, rejected)
}

// itemsIn is itemsOf in memory that is given, and zero.
func itemsIn(block []queue.Item, id memory.SpaceID, sess memory.SessionID, inc memory.Incarnation, lane memory.Lane, owner *delivery,
	in []Incoming, seq memory.Sequence, rejected []memory.Rejection) []*queue.Item {
	items := make([]*queue.Item, len(in))
	for i := range in {
		it := &block[i]
		it.Entry = memory.Entry{Session: sess, Incarnation: inc, Sequence: seq + memory.Sequence(i), Observation: in[i].Observation}
		if len(rejected) > 0 && rejected[0].Sequence == it.Sequence {
			it.Observation, it.Rejection = nil, &rejected[0]
			rejected = rejected[1:]
		}
		it.Space, it.Lane, it.Place, it.Bytes, it.Owner, it.Trip = id, lane, lane, in[i].Bytes, owner, in[i].Trip
		if in[i].HasPriority && it.Observation != nil {
			it.Lane = min(lane, it.Observation.Priority)
		}
		items[i] = it
	}
	return items
}
