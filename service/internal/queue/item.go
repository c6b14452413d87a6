package queue

import (
	"time"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/telemetry"
)

// Item is one entry on its way from admission to its space. Whoever holds it
// may change it; it passes from the pusher to the queue to one worker.
type Item struct {
	memory.Entry
	Space memory.SpaceID
	// Lane is the lane it waits under: its session's, or a higher one when
	// the observation's own priority lifts it.
	Lane memory.Lane
	// Place is the lane in which its place is reserved: always its session's.
	Place memory.Lane
	// Bytes is its encoded size.
	Bytes int
	Trip  telemetry.Trip
	// Owner is who is told of the outcome; the queue and the workers do not
	// look at it.
	Owner any
	// Progress is kept by who processes the item.
	Progress Progress

	// queued is when it was pushed.
	queued time.Time
}

// Progress says how far an item has come, so that a repeated attempt neither
// journals nor applies it twice.
type Progress struct {
	// Journaled is set once the journal has taken the item.
	Journaled bool
	// Generation is what the journal order gave it; zero when it made no row.
	Generation memory.Generation
	// Applied is set once its space has it.
	Applied bool
}
