package server

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/engram-stream/engram/service/internal/config"
	"github.com/engram-stream/engram/service/internal/embed"
	"github.com/engram-stream/engram/service/internal/engine"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/queue"
	"github.com/engram-stream/engram/service/internal/session"
	"github.com/engram-stream/engram/service/internal/telemetry"
	"github.com/engram-stream/engram/service/internal/worker"
)

// engineOptions translates the configuration.
func engineOptions(ctx context.Context, c config.Config, log *slog.Logger, rec telemetry.Recorder) (engine.Options, error) {
	embedders, err := embedders(ctx, c.Embed)
	if err != nil {
		return engine.Options{}, err
	}
	items := [memory.LaneCount]int{c.Queue.High, c.Queue.Normal, c.Queue.Low}
	total := items[0] + items[1] + items[2]
	var lanes [memory.LaneCount]queue.Capacity
	for l := range lanes {
		// Bytes are shared out like places, and a lane is never too small for
		// the largest request.
		share := int64(float64(c.Queue.Bytes) * float64(items[l]) / float64(total))
		lanes[l] = queue.Capacity{Items: items[l], Bytes: max(share, int64(c.Limits.MaxRequestBytes))}
	}
	threshold := c.Space.IndexThreshold
	if threshold == 0 {
		threshold = -1
	}
	return engine.Options{
		Journal: journal.Options{
			Dir: filepath.Join(c.DataDir, "journal"), SegmentBytes: int64(c.Journal.SegmentBytes),
			Watermarks: journal.Watermarks{
				// In bytes alone: a share of a large disk is a lot of room.
				RefuseFreeBytes: int64(c.Journal.RefuseFree), WarnFreeBytes: int64(c.Journal.WarnFree), RefuseFreePercent: -1, WarnFreePercent: -1,
			},
		},
		Checkpoint: engine.CheckpointOptions{
			Dir: filepath.Join(c.DataDir, "checkpoints"), Interval: c.Checkpoint.Interval, TailBytes: int64(c.Checkpoint.TailBytes),
			Rate: orNever(int64(c.Checkpoint.Rate)), EraseWithin: c.Checkpoint.EraseWithin,
			ScrubEvery: orNever(c.Checkpoint.ScrubEvery), HibernateAfter: orNever(c.Space.HibernateAfter),
		},
		Queue: queue.Config{Lanes: lanes},
		Session: session.Config{
			IdleTimeout: c.Session.IdleTimeout, Retention: c.Session.Retention, MaxSessions: c.Session.MaxSessions,
			// A client that ignores credits may fill a lane before it hears of
			// a refusal; more than that is abuse.
			DiscardLimit: max(c.Session.Window, items[memory.LaneNormal], 1<<16),
		},
		Worker: worker.Config{Workers: c.Worker.Count, BatchMin: c.Worker.BatchMin, BatchMax: c.Worker.BatchMax, Log: log},
		Window: engine.Window{Items: c.Session.Window, Bytes: int64(c.Session.WindowBytes)},
		Limits: engine.Limits{
			ObservationBytes: int(c.Limits.MaxObservationBytes), ContentBytes: int(c.Limits.MaxContentBytes), MetadataBytes: int(c.Limits.MaxMetadataBytes),
			Batch: c.Session.MaxBatch, Dimension: c.Limits.MaxDimension, Spaces: c.Limits.MaxSpaces,
		},
		Memory: engine.MemoryOptions{Limit: memoryLimit(int64(c.Limits.Memory), machineMemory()), Space: int64(c.Space.Memory), SetHeapLimit: heapLimiter()},
		Space: engine.SpaceDefaults{
			Metric: metricOf(c.Space.Metric), IndexThreshold: threshold, M: c.Space.HNSW.M, EfConstruction: c.Space.HNSW.EfConstruction, History: c.Space.History,
		},
		Embedders: embedders, Log: log, Recorder: rec,
	}, nil
}

// orNever translates the 0 of the configuration, which switches off, to what
// the engine takes for that.
func orNever[T int64 | time.Duration](v T) T {
	if v == 0 {
		return -1
	}
	return v
}

func metricOf(name string) memory.Metric {
	for m := memory.MetricCosine; m <= memory.MetricEuclidean; m++ {
		if m.String() == name {
			return m
		}
	}
	return memory.MetricUnspecified
}

// embedders makes the configured embedder, the default of new spaces, and the
// built-in one beside it.
func embedders(ctx context.Context, c config.Embed) ([]embed.Embedder, error) {
	switch c.Kind {
	case engine.EmbedderNone:
		return nil, nil
	case embed.KindHashing:
		h, err := embed.NewHashing(c.Dimension)
		return []embed.Embedder{h}, err
	}
	key, err := c.OpenAI.ReadKey(os.Getenv)
	if err != nil {
		return nil, err
	}
	o, err := embed.NewOpenAI(ctx, embed.OpenAIConfig{
		BaseURL: c.OpenAI.BaseURL, Model: c.OpenAI.Model, APIKey: key, Dimension: c.Dimension, MaxBatch: c.OpenAI.MaxBatch,
		Timeout: c.OpenAI.Timeout, MaxRetries: c.OpenAI.MaxRetries, MaxConcurrent: c.OpenAI.MaxConcurrent,
	})
	if err != nil {
		return nil, fmt.Errorf("set up the embedder: %w", err)
	}
	h, err := embed.NewHashing(0)
	return []embed.Embedder{o, h}, err
}

// NewLog makes the logger the configuration asks for.
func NewLog(c config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(strings.ToUpper(c.Level))); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(traced{slog.NewJSONHandler(os.Stderr, o)})
	}
	return slog.New(traced{slog.NewTextHandler(os.Stderr, o)})
}
