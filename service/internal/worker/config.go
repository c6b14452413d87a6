package worker

import (
	"context"
	"log/slog"
	"runtime"
	"time"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/queue"
)

// Processor carries batches. All its methods are called under the lease of the
// space.
type Processor interface {
	// Process journals, applies and publishes a batch. After a panic it is
	// called again with the items one by one. An error is final.
	Process(ctx context.Context, space memory.SpaceID, batch []*queue.Item) error
	// Quarantine keeps an item that panics by itself again and again.
	Quarantine(ctx context.Context, space memory.SpaceID, item *queue.Item, reason string) error
	// Abandon tells the owners that nothing will become of these items.
	Abandon(space memory.SpaceID, batch []*queue.Item, err error)
	// Finished is called last, with all items that were taken, whatever became
	// of them: neither worker nor queue refers to any of them after.
	Finished(batch []*queue.Item)
}

// Config sizes a pool. Zero values are defaults.
type Config struct {
	// Workers is how many there are. They wait for fsyncs, so a few more than
	// processors is right. Default: GOMAXPROCS, at least 4.
	Workers int
	// BatchMin and BatchMax bound what is taken at once. A worker takes what is
	// there, up to a limit that adapts between them. Default: 10 and 500.
	BatchMin, BatchMax int
	// TargetBatch is the time a batch may take beyond what every batch takes,
	// such as the fsync: longer ones lower the limit, shorter full ones raise
	// it. Default: 20 ms.
	TargetBatch time.Duration
	// Attempts is how often an item may panic by itself before it is
	// quarantined. Default: 2.
	Attempts int
	Log      *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Workers <= 0 {
		c.Workers = max(4, runtime.GOMAXPROCS(0))
	}
	if c.BatchMin <= 0 {
		c.BatchMin = 10
	}
	if c.BatchMax <= 0 {
		c.BatchMax = 500
	}
	c.BatchMax = max(c.BatchMax, c.BatchMin)
	if c.TargetBatch <= 0 {
		c.TargetBatch = 20 * time.Millisecond
	}
	if c.Attempts <= 0 {
		c.Attempts = 2
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}
