package engram

import (
	"time"
)

// sessionOptions are the settings of a session.
type sessionOptions struct {
	mustExist   bool
	resume      string
	priority    Priority
	flushLevel  Level
	batch       int
	batchBytes  int
	linger      time.Duration
	buffer      int
	bufferBytes int64
	nonBlocking bool
	reconnect   time.Duration

	connectTimeout time.Duration

	onAck       func(level Level, through, generation uint64)
	onRejection func(Rejection)
	onStatus    func(Status)
}

func defaultSession() sessionOptions {
	return sessionOptions{
		flushLevel: Visible, batch: 64, batchBytes: 1 << 20, linger: 2 * time.Millisecond,
		buffer: 16_384, bufferBytes: 64 << 20, reconnect: 5 * time.Minute,
		connectTimeout: 10 * time.Second,
	}
}

// SessionOption changes a session.
type SessionOption func(*sessionOptions)

// SpaceMustExist fails with NOT_FOUND in place of creating the space.
func SpaceMustExist() SessionOption { return func(o *sessionOptions) { o.mustExist = true } }

// Resume goes on with a session that an earlier process opened. Observations
// are numbered on from what the server has; what it lacks has to be observed
// again.
func Resume(id string) SessionOption { return func(o *sessionOptions) { o.resume = id } }

// InLane chooses the session's priority.
func InLane(p Priority) SessionOption { return func(o *sessionOptions) { o.priority = p } }

// FlushTo is the level that Flush waits for; Visible without it.
func FlushTo(l Level) SessionOption { return func(o *sessionOptions) { o.flushLevel = l } }

// WithBatching sets how many observations, and encoded bytes, go into one
// frame, and how long an observation waits for company. Without it: 64, 1 MiB
// and 2 ms.
func WithBatching(count, bytes int, linger time.Duration) SessionOption {
	return func(o *sessionOptions) {
		o.batch, o.batchBytes, o.linger = max(1, count), max(1, bytes), max(0, linger)
	}
}

// WithBuffer bounds the observations, and their bytes, that are held until the
// server has them on stable storage. Without it: 16,384 and 64 MiB.
func WithBuffer(count int, bytes int64) SessionOption {
	return func(o *sessionOptions) { o.buffer, o.bufferBytes = max(1, count), max(1, bytes) }
}

// NonBlocking makes Observe return ErrFull in place of waiting for room.
func NonBlocking() SessionOption { return func(o *sessionOptions) { o.nonBlocking = true } }

// ConnectTimeout bounds how long the server may take to answer when the session
// opens or resumes a stream. Without it: ten seconds.
func ConnectTimeout(d time.Duration) SessionOption {
	return func(o *sessionOptions) { o.connectTimeout = d }
}

// ReconnectFor bounds how long the session goes on without a stream on which
// anything is acked, before it gives up. Without it: five minutes.
func ReconnectFor(d time.Duration) SessionOption { return func(o *sessionOptions) { o.reconnect = d } }

// OnAck is called when every number up to through has reached a level.
func OnAck(f func(level Level, through, generation uint64)) SessionOption {
	return func(o *sessionOptions) { o.onAck = f }
}

// OnRejection is called for each observation that was not kept, for good.
func OnRejection(f func(Rejection)) SessionOption {
	return func(o *sessionOptions) { o.onRejection = f }
}

// OnStatus is called when the pressure on the session changes.
func OnStatus(f func(Status)) SessionOption { return func(o *sessionOptions) { o.onStatus = f } }

// Status is the pressure on a session, as the server tells it.
type Status struct {
	State          string // ACTIVE, WARNING, BACKPRESSURE, OVERLOADED, …
	Cause          string
	Pressure       float32
	QueueDepth     uint64
	QueueCapacity  uint64
	RetryAfter     time.Duration
	SuggestedBatch int
}

// Stats are a session's counts.
type Stats struct {
	Observed   uint64 // handed to Observe
	Sent       uint64 // sent, the first time
	Resent     uint64 // sent again
	Durable    uint64 // through which everything is decided durably
	Rejected   uint64
	Refused    uint64 // refusals heard
	Reconnects uint64
}

// Closed is what the server counted over the life of a session.
type Closed struct {
	FinalSequence uint64
	Accepted      uint64
	Rejected      uint64
	Refused       uint64
	Duplicates    uint64
	// Inferred is set when the answer was lost with its stream and the session
	// turned out to be closed: everything is kept, and only FinalSequence is
	// known.
	Inferred bool
}
