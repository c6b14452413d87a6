package journal

import (
	"fmt"
	"time"

	"github.com/engram-stream/engram/service/internal/clock"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// Defaults and bounds of [Options].
const (
	DefaultSegmentBytes = 64 << 20
	MinSegmentBytes     = 1 << 10
	MaxSegmentBytes     = 1 << 30
	DefaultQueueBytes   = 64 << 20
	DefaultQueueFrames  = 4096
)

// Options say where and how a log is kept. Zero values are defaults.
type Options struct {
	FS  vfs.FS // default: the machine's
	Dir string // made when missing; locked while open

	SegmentBytes  int64 // capacity of new segments
	MaxFrameBytes int64 // encoded size of a frame; default: what fits a segment

	// What may wait for a commit. A frame bigger than QueueBytes is taken when
	// nothing else waits.
	QueueBytes  int64
	QueueFrames int

	Clock clock.Clock // measures commits; default: the machine's
	// Observe is called after every commit, from the committing goroutine; it
	// must not block.
	Observe    func(Commit)
	Watermarks Watermarks
}

// Commit describes one group commit, for telemetry.
type Commit struct {
	Frames  int
	Records int           // sequence numbers decided by the frames
	Bytes   int64         // written
	Wait    time.Duration // how long the oldest frame waited for the write
	Write   time.Duration
	Sync    time.Duration
	Err     error // nil when durable
}

// Watermarks are the marks of free disk space below which [Usage.Level]
// changes. Of bytes and percent, the one that is reached first counts. A
// negative value switches a mark off.
type Watermarks struct {
	WarnFreeBytes     int64   // default: 8 segments
	WarnFreePercent   float64 // default: 10
	RefuseFreeBytes   int64   // default: 2 segments
	RefuseFreePercent float64 // default: 3
}

// largestFrame is what fits a segment of this capacity beside its seal.
func largestFrame(capacity int64) int64 { return capacity - headerSize - markSize }

func (o *Options) setDefaults() error {
	if o.FS == nil {
		o.FS = vfs.OS()
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Dir == "" {
		return fmt.Errorf("open journal: no directory is given")
	}
	setDefault(&o.SegmentBytes, DefaultSegmentBytes)
	if o.SegmentBytes < MinSegmentBytes || o.SegmentBytes > MaxSegmentBytes {
		return fmt.Errorf("open journal: segment bytes is %d, allowed is %d to %d", o.SegmentBytes, MinSegmentBytes, MaxSegmentBytes)
	}
	setDefault(&o.MaxFrameBytes, largestFrame(o.SegmentBytes))
	if o.MaxFrameBytes < 0 || o.MaxFrameBytes > largestFrame(o.SegmentBytes) {
		return fmt.Errorf("open journal: max frame bytes is %d, a segment has room for %d", o.MaxFrameBytes, largestFrame(o.SegmentBytes))
	}
	setDefault(&o.QueueBytes, DefaultQueueBytes)
	setDefault(&o.QueueFrames, DefaultQueueFrames)
	if o.QueueBytes < 0 || o.QueueFrames < 0 {
		return fmt.Errorf("open journal: queue of %d bytes and %d frames", o.QueueBytes, o.QueueFrames)
	}
	w := &o.Watermarks
	setDefault(&w.WarnFreeBytes, 8*o.SegmentBytes)
	setDefault(&w.WarnFreePercent, 10)
	setDefault(&w.RefuseFreeBytes, 2*o.SegmentBytes)
	setDefault(&w.RefuseFreePercent, 3)
	return nil
}

func setDefault[T int | int64 | float64](v *T, value T) {
	if *v == 0 {
		*v = value
	}
}
