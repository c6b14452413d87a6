package telemetry

import (
	"context"
	"time"
)

// many passes every report on to each of its recorders.
type many []Recorder

func (m many) Published(space string, batch []Done) {
	for _, r := range m {
		r.Published(space, batch)
	}
}

func (m many) Rejected(space string, reason string, n int) {
	for _, r := range m {
		r.Rejected(space, reason, n)
	}
}

func (m many) Refused(space string, reason string, n int) {
	for _, r := range m {
		r.Refused(space, reason, n)
	}
}

func (m many) Quarantined(space string) {
	for _, r := range m {
		r.Quarantined(space)
	}
}

func (m many) Indexed(space string, rows int, sampled []Done) {
	for _, r := range m {
		r.Indexed(space, rows, sampled)
	}
}

func (m many) Recalled(ctx context.Context, space string, took time.Duration, results int) {
	for _, r := range m {
		r.Recalled(ctx, space, took, results)
	}
}

func (m many) Committed(frames, records int, bytes int64, wait, write, sync time.Duration, err error) {
	for _, r := range m {
		r.Committed(frames, records, bytes, wait, write, sync, err)
	}
}

func (m many) Replayed(done, total uint64) {
	for _, r := range m {
		r.Replayed(done, total)
	}
}

func (m many) Pressure(lane int, level int, value float64) {
	for _, r := range m {
		r.Pressure(lane, level, value)
	}
}

func (m many) Batch(worker, size int, took time.Duration, stolen bool, failure string) {
	for _, r := range m {
		r.Batch(worker, size, took, stolen, failure)
	}
}

func (m many) SpaceDeleted(space string) {
	for _, r := range m {
		r.SpaceDeleted(space)
	}
}
