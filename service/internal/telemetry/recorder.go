package telemetry

import (
	"context"
	"time"

	"github.com/engram-stream/engram/service/internal/memory"
)

// Done is one observation at the end of its way in, as a Recorder sees it.
type Done struct {
	Trip       *Trip
	Session    memory.SessionID
	Sequence   memory.Sequence
	Generation memory.Generation // zero when it made no row
	Lane       memory.Lane
	Duplicate  bool
	Rejected   bool
}

// Recorder is what the engine reports to. Its methods are called from many
// goroutines at once, from hot paths: they must be cheap and must not block.
// What they are handed is theirs only during the call.
type Recorder interface {
	// Published reports a batch that became visible, once per batch.
	Published(space memory.SpaceID, batch []Done)
	// Rejected reports observations that were not kept, for good.
	Rejected(space memory.SpaceID, reason string, n int)
	// Refused reports observations that were sent back for load.
	Refused(space memory.SpaceID, reason string, n int)
	// Quarantined reports an observation that is kept from recall.
	Quarantined(space memory.SpaceID)
	// Indexed reports rows that moved into the graph.
	Indexed(space memory.SpaceID, rows int)
	// Recalled reports an answered recall; ctx may carry its span.
	Recalled(ctx context.Context, space memory.SpaceID, took time.Duration, results int)
	// Committed reports a group commit of the journal.
	Committed(frames, records int, bytes int64, wait, write, sync time.Duration, err error)
	// Replayed reports how far reading the journal back has come, in bytes.
	Replayed(done, total uint64)
	// Pressure reports a change of level (0 normal … 3 overloaded).
	Pressure(lane memory.Lane, level int, value float64)
	// Batch reports a batch of a worker: its size, how long it took, whether
	// it was stolen from another worker's home, and what went wrong ("" is
	// nothing).
	Batch(worker int, size int, took time.Duration, stolen bool, failure string)
	// SpaceDeleted takes the space's series along.
	SpaceDeleted(space memory.SpaceID)
}

// Nop returns a Recorder that forgets everything.
func Nop() Recorder { return nop{} }

type nop struct{}

func (nop) Published(memory.SpaceID, []Done)                                              {}
func (nop) Rejected(memory.SpaceID, string, int)                                          {}
func (nop) Refused(memory.SpaceID, string, int)                                           {}
func (nop) Quarantined(memory.SpaceID)                                                    {}
func (nop) Indexed(memory.SpaceID, int)                                                   {}
func (nop) Recalled(context.Context, memory.SpaceID, time.Duration, int)                  {}
func (nop) Committed(int, int, int64, time.Duration, time.Duration, time.Duration, error) {}
func (nop) Replayed(uint64, uint64)                                                       {}
func (nop) Pressure(memory.Lane, int, float64)                                            {}
func (nop) Batch(int, int, time.Duration, bool, string)                                   {}
func (nop) SpaceDeleted(memory.SpaceID)                                                   {}
