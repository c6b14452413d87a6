package journal

import "context"

// Journal is the durable log. Implementations are safe for concurrent use.
type Journal interface {
	// Append writes the frame and returns its position once it is on stable
	// storage. Concurrent appends share a sync. It waits, as long as ctx
	// allows, when too many frames are waiting. When ctx ends while the frame
	// waits, it is withdrawn and not written; once it is being written, Append
	// returns the outcome.
	Append(ctx context.Context, f *Frame) (Position, error)
	// AppendAsync enqueues the frame and calls done once it is durable or has
	// failed. done is called from the committing goroutine, must not block and
	// must not call back into the journal's Close. The payload must not change
	// until then. When it returns an error, done is not called. The frames of
	// one goroutine's calls are in the log in the order of the calls. After
	// ErrFull a later, smaller frame may still find room: whoever needs frames
	// without a hole waits for the outcome before sending more.
	AppendAsync(f *Frame, done func(Position, error)) error
	// Read calls fn with every frame from the position on, in order, and ends
	// at the end that was durable when it began. from is zero, for the oldest
	// frame that is kept, or a position that the journal gave out. The payload
	// is only valid during fn; the rest of the frame may be kept. An error of
	// fn ends the reading and is returned as it is.
	Read(ctx context.Context, from Position, fn func(Position, *Frame) error) error
	// Trim removes frames before the position, in whole segments: some of
	// them may stay. Frames from the position on always stay.
	Trim(before Position) error
	// Seal makes everything appended before it removable: after it, Trim of
	// DurableEnd removes all frames that were there. Without any it changes
	// nothing. It waits for its turn as Append does; frames appended meanwhile
	// may come before or after it.
	Seal(ctx context.Context) error
	// ID tells this log from every other: it is drawn at random when the log
	// is created and never changes. A position means something together with
	// the id alone.
	ID() uint64
	// DurableEnd is the position behind all that is durable. It asks nothing
	// of the disk.
	DurableEnd() Position
	// Usage tells how full the journal is and how it does.
	Usage() Usage
	// Err is the failure that ended the journal, or nil.
	Err() error
	// Close commits what waits, and ends the journal. It may be called again.
	Close() error
}

// HeaderReader is a journal that can skip payloads, which makes finding the
// marks and generations after a crash fast.
type HeaderReader interface {
	// ReadHeaders is Read without payloads: Frame.Payload is nil and its
	// checksum is not verified.
	ReadHeaders(ctx context.Context, from Position, fn func(Position, *Frame) error) error
}

var (
	_ Journal      = (*Segments)(nil)
	_ HeaderReader = (*Segments)(nil)
)
