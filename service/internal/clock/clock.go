package clock

import (
	"sync"
	"time"
)

// Clock tells the time. Implementations are safe for concurrent use.
type Clock interface {
	// Now is the current time. Differences of two values are meaningful: a
	// system clock carries Go's monotonic reading.
	Now() time.Time
}

// System is the machine's clock.
type System struct{}

// Now is [time.Now].
func (System) Now() time.Time { return time.Now() }

// Manual is a clock that stands still until it is told otherwise. The zero
// value is ready and stands at the zero time. Safe for concurrent use; must
// not be copied.
type Manual struct {
	mu  sync.Mutex
	now time.Time
}

// NewManual makes a clock that stands at t.
func NewManual(t time.Time) *Manual { return &Manual{now: t} }

// Now is the time the clock was last set to.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// Set puts the clock at t, which may be earlier than before: a machine's clock
// is set back too, and code that reads one has to bear it.
func (m *Manual) Set(t time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = t
}

// Advance moves the clock by d and returns the new time.
func (m *Manual) Advance(d time.Duration) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
	return m.now
}
