package engine

import (
	"time"

	"github.com/engram-stream/engram/service/internal/space"
)

// SpaceStatus is a space in numbers: what the space says of itself, and what the
// engine decided about it. Gauges and the API show the same.
type SpaceStatus struct {
	space.Stats
	Memory      space.Memory // anonymous, as last counted and with what came since
	MemoryLimit int64        // what that may come to; 0 is no bound of its own
	// Resident and Mapped are how many rows have their vectors in memory, and how
	// many in mapped files.
	Resident, Mapped int
	Policy           IndexPolicy
}

// PolicyUse is where an index policy is in force.
type PolicyUse struct {
	Spaces  int
	InForce time.Duration // since the start, over all spaces; IndexFull is not timed
}

// SpaceStatus returns the numbers of now of a space that [Engine.Space] or
// [Engine.Spaces] gave.
func (e *Engine) SpaceStatus(sp *space.Space) SpaceStatus {
	return e.spaceStatus(sp, e.registry.lookup(sp.ID()))
}

// spaceStatus is SpaceStatus with the slot of the space's name: nil, or that of
// another life, when the space was deleted meanwhile.
func (e *Engine) spaceStatus(sp *space.Space, sl *slot) SpaceStatus {
	st := SpaceStatus{Stats: sp.Stats(), Memory: sp.MemoryParts(), MemoryLimit: e.opts.Memory.Space}
	st.Resident, st.Mapped = sp.Vectors()
	if sl != nil && sl.space == sp {
		st.Policy = sl.lag.Policy()
	}
	return st
}

// policyTime is how long a policy was in force since the start, over all spaces.
func (e *Engine) policyTime(p IndexPolicy) time.Duration { return time.Duration(e.indexTime[p].Load()) }
