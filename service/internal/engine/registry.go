package engine

import (
	"maps"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/space"
)

// slot is a space and what the engine keeps beside it.
type slot struct {
	space *space.Space
	// shaping is held while the first observation fixes dimension and
	// embedder.
	shaping sync.Mutex
	// pending is the batch that is durable and not wholly visible. Only the
	// holder of the space touches it.
	pending *pendingBatch
	// awaiting are the acks that wait for the graph.
	awaiting indexWaiters
	lag      lag
	tail     tail
	// entry is what the catalog in force says of the space; its manifest has no
	// length if it says nothing. Whoever makes a round owns it.
	entry checkpoint.Entry
	// spared is the memory of codes that were dropped when it was short; the
	// checkpointer's own.
	spared int64
	// recoverable is the generation that replay will reach.
	recoverable atomic.Uint64
}

// ended reports whether the space was deleted. Sessions are dropped after that,
// so one that was made before is gone, and one made later is not of this life.
func (sl *slot) ended() bool {
	select {
	case <-sl.space.Deleted():
		return true
	default:
		return false
	}
}

// registry is the table of spaces.
type registry struct {
	changing sync.Mutex // creating and deleting, one at a time

	mu    sync.RWMutex
	slots map[memory.SpaceID]*slot
	// ended remembers where deleted spaces stopped, since generations go on
	// when a name is used again.
	ended map[memory.SpaceID]checkpoint.Ended
}

func newRegistry() *registry {
	return &registry{slots: map[memory.SpaceID]*slot{}, ended: map[memory.SpaceID]checkpoint.Ended{}}
}

func (r *registry) lookup(id memory.SpaceID) *slot {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.slots[id]
}

// find is lookup for reads: an unknown space is SPACE_NOT_FOUND.
func (r *registry) find(id memory.SpaceID) (*slot, error) {
	if !memory.ValidName(string(id)) {
		return nil, invalidName("space", string(id))
	}
	if sl := r.lookup(id); sl != nil {
		return sl, nil
	}
	return nil, fault.New(fault.NotFound, fault.SpaceNotFound, "space %q does not exist", id).In("space")
}

func (r *registry) put(sl *slot) {
	r.mu.Lock()
	r.slots[sl.space.ID()] = sl
	r.mu.Unlock()
}

// remove takes a space out that ended with a frame.
func (r *registry) remove(id memory.SpaceID, at memory.Generation, frame journal.Position) {
	r.mu.Lock()
	delete(r.slots, id)
	r.ended[id] = checkpoint.Ended{Generation: at, Position: uint64(frame)}
	r.mu.Unlock()
}

func (r *registry) base(id memory.SpaceID) memory.Generation {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.ended[id].Generation
}

// endedAt is the position of the frame that ended the last space of a name.
func (r *registry) endedAt(id memory.SpaceID) journal.Position {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return journal.Position(r.ended[id].Position)
}

// endings copies what is known of deleted spaces.
func (r *registry) endings() map[memory.SpaceID]checkpoint.Ended {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return maps.Clone(r.ended)
}

func (r *registry) count() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.slots)
}

// all returns the slots in no order.
func (r *registry) all() []*slot {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := make([]*slot, 0, len(r.slots))
	for _, sl := range r.slots {
		out = append(out, sl)
	}
	return out
}

// page returns up to limit spaces after a name, by name.
func (r *registry) page(prefix string, after memory.SpaceID, limit int) (out []*space.Space, more bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	ids := make([]memory.SpaceID, 0, len(r.slots))
	for id := range r.slots {
		if id > after && strings.HasPrefix(string(id), prefix) {
			ids = append(ids, id)
		}
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	more = len(ids) > limit
	for _, id := range ids[:min(limit, len(ids))] {
		out = append(out, r.slots[id].space)
	}
	return out, more
}

func invalidName(field, got string) *fault.Error {
	if len(got) > 2*memory.MaxNameLength {
		got = got[:2*memory.MaxNameLength]
	}
	return fault.New(fault.InvalidArgument, fault.InvalidName,
		"%s is %q (%d bytes); it must be %d to %d of [a-z0-9_-]", field, got, len(got), memory.MinNameLength, memory.MaxNameLength).In(field)
}
