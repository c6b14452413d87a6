package session

import (
	"time"

	"github.com/engram-stream/engram/service/internal/clock"
)

// Config bounds a [Manager]. Zero fields get the defaults named here.
type Config struct {
	// IdleTimeout is how long a session without a stream keeps more than its
	// marks in memory. Default 300 s.
	IdleTimeout time.Duration
	// Retention is how long marks are kept after the last use. Default 24 h.
	Retention time.Duration
	// MaxSessions is how many sessions are known at once. Default 100,000.
	MaxSessions int
	// Window is the most numbers that admission lets a session have
	// outstanding. Rejections within it below the next number are kept, to be
	// said again. Default 4,096.
	Window int
	// IdleRejections is how many of the newest rejections an idle session
	// keeps, without their messages. Default 64.
	IdleRejections int
	// DiscardLimit is how many observations a stream may send past a refusal
	// before it is ended. Default Window.
	DiscardLimit int
	// OutboxLimit is how many events may wait for a client that does not read
	// before its own sending stalls. Default 1,024.
	OutboxLimit int
	// MaxWatchers is how many may watch one session. Default 16.
	MaxWatchers int
	// Clock tells the time of use. Default the system's.
	Clock clock.Clock
}

func (c Config) withDefaults() Config {
	set := func(v *int, to int) {
		if *v <= 0 {
			*v = to
		}
	}
	if c.IdleTimeout <= 0 {
		c.IdleTimeout = 300 * time.Second
	}
	if c.Retention <= 0 {
		c.Retention = 24 * time.Hour
	}
	set(&c.MaxSessions, 100_000)
	set(&c.Window, 4096)
	set(&c.IdleRejections, 64)
	set(&c.DiscardLimit, c.Window)
	set(&c.OutboxLimit, 1024)
	set(&c.MaxWatchers, 16)
	if c.Clock == nil {
		c.Clock = clock.System{}
	}
	return c
}

// hardLimit is the most events an outbox may hold: what was there on resume,
// what its reader may add before it stalls, and what was outstanding by then.
// Only a watcher, which has no reader to stall, is expected to reach it.
func (c Config) hardLimit() int { return c.OutboxLimit + 3*c.Window }
