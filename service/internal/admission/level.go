package admission

import (
	"time"

	"github.com/engram-stream/engram/service/internal/clock"
	"github.com/engram-stream/engram/service/internal/memory"
)

// Level is how hard a lane is pressed.
type Level int

// The levels.
const (
	Normal     Level = iota
	Warning          // the first threshold is passed; nothing changes yet
	Critical         // windows are no longer extended beyond the minimum
	Overloaded       // what comes beyond its grant is refused
)

// Change says that the level of a lane changed.
type Change struct {
	Lane            memory.Lane
	Level           Level
	Cause           string // queue_items, queue_bytes, or an external cause
	Pressure        float64
	Depth, Capacity int // observations admitted and not decided, and places
	RetryAfter      time.Duration
	SuggestedBatch  int
}

// Config sets the thresholds of pressure. Zero values are defaults.
type Config struct {
	Warning    float64 // default 0.6
	Critical   float64 // default 0.8
	Overloaded float64 // default 0.95
	// Hysteresis is how far below the threshold at which a level was entered
	// pressure must fall for it to be left. Default 0.1.
	Hysteresis float64
	Clock      clock.Clock
}

func (c Config) withDefaults() Config {
	def := func(p *float64, v float64) {
		if *p == 0 {
			*p = v
		}
	}
	def(&c.Warning, .6)
	def(&c.Critical, .8)
	def(&c.Overloaded, .95)
	def(&c.Hysteresis, .1)
	if c.Clock == nil {
		c.Clock = clock.System{}
	}
	return c
}

// next is the level that follows now at a pressure.
func (c Config) next(now Level, pressure float64) Level {
	enter := [...]float64{0, c.Warning, c.Critical, c.Overloaded}
	level := Normal
	for l := Warning; l <= Overloaded; l++ {
		threshold := enter[l]
		if l <= now {
			threshold -= c.Hysteresis
		}
		if pressure >= threshold {
			level = l
		}
	}
	return level
}
