package telemetry

import (
	"context"
	"time"
)

// Done is one observation at the end of its way in, as a Recorder sees it.
type Done struct {
	Trip       *Trip
	Session    string
	Sequence   uint64
	Generation uint64 // zero when it made no row
	Lane       int
	Duplicate  bool
	Rejected   bool
}

// Recorder is what the engine reports to. Its methods are called from many
// goroutines at once, from hot paths: they must be cheap and must not block.
// What they are handed is theirs only during the call.
type Recorder interface {
	// Published reports a batch that became visible, once per batch. The
	// elements are the caller's again when it returns.
	Published(space string, batch []Done)
	// Rejected reports observations that were not kept, for good.
	Rejected(space string, reason string, n int)
	// Refused reports observations that were sent back for load.
	Refused(space string, reason string, n int)
	// Quarantined reports an observation that is kept from recall.
	Quarantined(space string)
	// Indexed reports rows that moved into the graph, and those sampled
	// observations that are in the structure their space aims at by that.
	Indexed(space string, rows int, sampled []Done)
	// Recalled reports an answered recall; ctx may carry its span.
	Recalled(ctx context.Context, space string, took time.Duration, results int)
	// Committed reports a group commit of the journal.
	Committed(frames, records int, bytes int64, wait, write, sync time.Duration, err error)
	// Replayed reports how far reading the journal back has come, in bytes.
	Replayed(done, total uint64)
	// Pressure reports a change of level (0 normal … 3 overloaded).
	Pressure(lane int, level int, value float64)
	// Batch reports a batch of a worker: its size, how long it took, whether
	// it was stolen from another worker's home, and what went wrong ("" is
	// nothing).
	Batch(worker int, size int, took time.Duration, stolen bool, failure string)
	// SpaceDeleted takes the space's series along.
	SpaceDeleted(space string)
}

// Nop returns a Recorder that forgets everything.
func Nop() Recorder { return nop{} }

type nop struct{}

func (nop) Published(string, []Done)                                                      {}
func (nop) Rejected(string, string, int)                                                  {}
func (nop) Refused(string, string, int)                                                   {}
func (nop) Quarantined(string)                                                            {}
func (nop) Indexed(string, int, []Done)                                                   {}
func (nop) Recalled(context.Context, string, time.Duration, int)                          {}
func (nop) Committed(int, int, int64, time.Duration, time.Duration, time.Duration, error) {}
func (nop) Replayed(uint64, uint64)                                                       {}
func (nop) Pressure(int, int, float64)                                                    {}
func (nop) Batch(int, int, time.Duration, bool, string)                                   {}
func (nop) SpaceDeleted(string)                                                           {}
