package queue

import "github.com/engram-stream/engram/service/internal/memory"

// Capacity bounds one lane. Both values are positive.
type Capacity struct {
	Items int
	Bytes int64
}

// Config sizes a queue. The zero value of a field takes its default.
type Config struct {
	// Lanes is indexed by [memory.Lane]; the default is 65,536 items and
	// 256 MiB for each.
	Lanes [memory.LaneCount]Capacity
	// Weights are the shares of the lanes while all of them have something to
	// give: so many items of each in one round. The default is 16, 4, 1.
	Weights [memory.LaneCount]int
}

const (
	defaultItems = 1 << 16
	defaultBytes = 256 << 20
)

func (c Config) withDefaults() Config {
	for i, w := range [memory.LaneCount]int{16, 4, 1} {
		if c.Lanes[i].Items <= 0 {
			c.Lanes[i].Items = defaultItems
		}
		if c.Lanes[i].Bytes <= 0 {
			c.Lanes[i].Bytes = defaultBytes
		}
		if c.Weights[i] <= 0 {
			c.Weights[i] = w
		}
	}
	return c
}
