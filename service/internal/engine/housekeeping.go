package engine

import (
	"context"
	"sync"
	"time"

	"github.com/engram-stream/engram/service/internal/admission"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/session"
	"github.com/engram-stream/engram/service/internal/telemetry"
)

// How often housekeeping looks.
const (
	diskEvery      = time.Second
	retentionEvery = 10 * time.Second
)

// keepHouse looks at the disk and at retention until the engine closes.
func (e *Engine) keepHouse() {
	defer e.housekeeping.Done()
	disk, retention := time.NewTicker(diskEvery), time.NewTicker(retentionEvery)
	defer disk.Stop()
	defer retention.Stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer context.AfterFunc(e.stopping, cancel)()
	for {
		select {
		case <-e.stopping.Done():
			return
		case <-disk.C:
			e.monitor.SetExternal("disk", diskPressure(e.journal.Usage().Level))
		case <-retention.C:
			if e.takesWrites() != nil {
				continue
			}
			for _, sl := range e.registry.all() {
				if err := e.retain(ctx, sl); err != nil && ctx.Err() == nil {
					e.opts.Log.Warn("retention failed", "space", sl.space.ID(), "error", err)
				}
			}
		}
	}
}

// diskPressure translates the journal's watermarks into pressure.
func diskPressure(l journal.Level) float64 {
	switch l {
	case journal.LevelRefuse:
		return 1
	case journal.LevelWarning:
		return 0.7
	}
	return 0
}

// streams are the attached streams, to be told of pressure.
type streams struct {
	rec  telemetry.Recorder
	mu   sync.Mutex
	open map[*Stream]struct{}
}

func newStreams(rec telemetry.Recorder) *streams {
	return &streams{rec: rec, open: map[*Stream]struct{}{}}
}

func (s *streams) add(st *Stream) {
	s.mu.Lock()
	s.open[st] = struct{}{}
	s.mu.Unlock()
}

func (s *streams) remove(st *Stream) {
	s.mu.Lock()
	delete(s.open, st)
	s.mu.Unlock()
}

func (s *streams) inLane(l memory.Lane) []*Stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*Stream
	for st := range s.open {
		if st.Session().Lane() == l {
			out = append(out, st)
		}
	}
	return out
}

// pressureChanged tells every stream of a lane that its pressure changed.
func (s *streams) pressureChanged(c admission.Change) {
	s.rec.Pressure(int(c.Lane), int(c.Level), c.Pressure)
	for _, st := range s.inLane(c.Lane) {
		st.Session().PushStatus(statusOf(c))
	}
}

var stateOf = map[admission.Level]session.State{
	admission.Normal: session.Active, admission.Warning: session.Warning,
	admission.Critical: session.Backpressure, admission.Overloaded: session.Overloaded,
}

func statusOf(c admission.Change) session.Status {
	return session.Status{
		State: stateOf[c.Level], Cause: c.Cause, QueueDepth: c.Depth, QueueCapacity: c.Capacity,
		Pressure: float32(c.Pressure), RetryAfter: c.RetryAfter, SuggestedBatch: c.SuggestedBatch,
	}
}
