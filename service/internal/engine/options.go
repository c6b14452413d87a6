package engine

import (
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/engram-stream/engram/service/internal/admission"
	"github.com/engram-stream/engram/service/internal/clock"
	"github.com/engram-stream/engram/service/internal/embed"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/queue"
	"github.com/engram-stream/engram/service/internal/session"
	"github.com/engram-stream/engram/service/internal/telemetry"
	"github.com/engram-stream/engram/service/internal/worker"
)

// Options say how an engine is to be. Zero values are defaults.
type Options struct {
	Journal    journal.Options
	Checkpoint CheckpointOptions
	Queue      queue.Config
	Session    session.Config
	Worker     worker.Config
	// Admission sets the thresholds of pressure.
	Admission admission.Config
	// Window bounds what one session may have outstanding.
	Window Window
	Limits Limits
	Memory MemoryOptions
	Space  SpaceDefaults
	// Embedders are the embedders a space may be created with; the first is
	// what a space gets that is created by text. Empty: texts need vectors.
	Embedders []embed.Embedder
	// IndexWorkers is how many goroutines build graphs. Default: one less
	// than the cores, at least one.
	IndexWorkers int

	Clock    clock.Clock
	Log      *slog.Logger
	Recorder telemetry.Recorder
}

// CheckpointOptions say where checkpoints lie and when they are made.
type CheckpointOptions struct {
	Dir string // default: beside the journal's
	// Interval is how often what changed is written; default 5 min.
	Interval time.Duration
	// TailBytes is how much of the journal a start may have to read: a round
	// begins when it is reached; default 256 MiB.
	TailBytes int64
	// Rate bounds the writing of rounds that nobody waits for, in bytes per
	// second; default 64 MiB. Negative is no bound.
	Rate int64
	// EraseWithin is how long bytes of what was forgotten may stay on disk;
	// default 24 h.
	EraseWithin time.Duration
	// HibernateAfter is how long a space is left alone before its rows leave
	// memory; default 10 min. Negative is never.
	HibernateAfter time.Duration
	// ScrubEvery is how often all checksums are verified; default 24 h.
	// Negative is never.
	ScrubEvery time.Duration
}

// Window bounds what one session may have outstanding.
type Window struct {
	Items    int   // default 4,096
	MinItems int   // what an idle session keeps; default 64
	Bytes    int64 // default 16 MiB
}

// Limits bound what one request may carry.
type Limits struct {
	ObservationBytes int // encoded; default 1 MiB
	ContentBytes     int // default 256 KiB
	MetadataBytes    int // default 64 KiB
	Batch            int // observations a frame or call; default 1,000
	Dimension        int // default 4,096
	Spaces           int // default 10,000
	Waiters          int // recalls that wait for a generation; default 10,000
}

// SpaceDefaults are what a space gets that does not say.
type SpaceDefaults struct {
	Metric         memory.Metric // default cosine
	IndexThreshold int           // default 10,000; negative means 0
	M              int
	EfConstruction int
	History        time.Duration // default 5 min
}

func (o Options) withDefaults() Options {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&o.Window.Items, 4096)
	def(&o.Window.MinItems, 64)
	if o.Window.Bytes == 0 {
		o.Window.Bytes = 16 << 20
	}
	def(&o.Limits.ObservationBytes, 1<<20)
	def(&o.Limits.ContentBytes, 256<<10)
	def(&o.Limits.MetadataBytes, 64<<10)
	def(&o.Limits.Batch, 1000)
	def(&o.Limits.Dimension, 4096)
	def(&o.Limits.Spaces, 10_000)
	def(&o.Limits.Waiters, 10_000)
	def(&o.Space.IndexThreshold, 10_000)
	o.Space.IndexThreshold = max(0, o.Space.IndexThreshold)
	if o.Space.Metric == memory.MetricUnspecified {
		o.Space.Metric = memory.MetricCosine
	}
	if o.Space.History == 0 {
		o.Space.History = 5 * time.Minute
	}
	def(&o.IndexWorkers, max(1, min(runtime.GOMAXPROCS(0), runtime.NumCPU())-1))
	c := &o.Checkpoint
	if c.Dir == "" {
		c.Dir = strings.TrimSuffix(o.Journal.Dir, "/") + ".checkpoints"
	}
	span := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	span(&c.Interval, 5*time.Minute)
	span(&c.EraseWithin, 24*time.Hour)
	span(&c.HibernateAfter, 10*time.Minute)
	span(&c.ScrubEvery, 24*time.Hour)
	if c.TailBytes == 0 {
		c.TailBytes = 256 << 20
	}
	if c.Rate == 0 {
		c.Rate = 64 << 20
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Recorder == nil {
		o.Recorder = telemetry.Nop()
	}
	o.Session.Window = o.Window.Items
	o.Session.Clock = o.Clock
	o.Journal.Clock = o.Clock
	return o
}
