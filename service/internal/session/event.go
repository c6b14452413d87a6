package session

import (
	"time"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// Event is one thing to tell a client: [Ack], [Rejected], [Refusal], [Status],
// [GoAway], [Ended] or [Custom].
type Event interface{ event() }

// Ack says that every number up to Through has reached Level. Rejections among
// them were told before.
type Ack struct {
	Level      memory.AckLevel
	Through    memory.Sequence
	Generation memory.Generation
	Credits    memory.Credits
}

// Rejected says that one number was consumed without a row.
type Rejected struct{ memory.Rejection }

// Refusal says that nothing was consumed from Expected on.
type Refusal struct {
	Expected memory.Sequence
	Fault    *fault.Error
	Credits  memory.Credits
}

// Status tells of pressure and of the state. It is also what carries credits
// when there is nothing to acknowledge.
type Status struct {
	State         State
	Cause         string
	QueueDepth    int
	QueueCapacity int
	Pressure      float32 // 0..1
	RetryAfter    time.Duration
	// SuggestedBatch is a batch size that suits the pressure; 0 is no advice.
	SuggestedBatch int
	Credits        memory.Credits
}

// GoAway asks the client to leave the stream.
type GoAway struct {
	Reason      fault.Reason
	Resumable   bool
	ResumeAfter time.Duration
}

// Ended says that the session is over (closed on the wire): everything decided
// is visible.
type Ended struct {
	// Final is the last number that was decided.
	Final    memory.Sequence
	Accepted uint64
	Counts   Counts
}

// Custom carries something of the caller's through the outbox: the results of
// a recall on the same stream.
type Custom struct{ Value any }

func (Ack) event()      {}
func (Rejected) event() {}
func (Refusal) event()  {}
func (Status) event()   {}
func (GoAway) event()   {}
func (Ended) event()    {}
func (Custom) event()   {}
