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

// keepHouse looks at the disk, at memory and at retention until the engine closes.
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
			e.watchDisk()
			e.mindMemory()
			e.resumeIndexing()
		case <-e.room.look:
			e.watchDisk()
			e.memory.glance(e)
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

// audience is the sessions somebody is listening to, by a stream or as a
// watcher: those that are told of pressure.
type audience struct {
	rec telemetry.Recorder

	mu        sync.Mutex
	listeners map[*session.Session]int
}

func newAudience(rec telemetry.Recorder) *audience {
	return &audience{rec: rec, listeners: map[*session.Session]int{}}
}

func (a *audience) add(s *session.Session) {
	a.mu.Lock()
	a.listeners[s]++
	a.mu.Unlock()
}

func (a *audience) remove(s *session.Session) {
	a.mu.Lock()
	if a.listeners[s]--; a.listeners[s] == 0 {
		delete(a.listeners, s)
	}
	a.mu.Unlock()
}

func (a *audience) inLane(l memory.Lane) []*session.Session {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []*session.Session
	for s := range a.listeners {
		if s.Lane() == l {
			out = append(out, s)
		}
	}
	return out
}

// pressureChanged tells the sessions of a lane that its pressure changed.
func (a *audience) pressureChanged(c admission.Change) {
	a.rec.Pressure(int(c.Lane), int(c.Level), c.Pressure)
	for _, s := range a.inLane(c.Lane) {
		s.PushStatus(statusOf(c))
	}
}

// welcome tells a session that somebody begins to listen to of pressure there
// is already.
func (e *Engine) welcome(s *session.Session) {
	e.audience.add(s)
	if c := e.monitor.State(s.Lane()); c.Level != admission.Normal {
		s.PushStatus(statusOf(c))
	}
}

// WatchSession follows a session; done is to be called at the end. While the
// journal is read back it is REPLAYING: which sessions there are, and where they
// stand, is not known yet.
func (e *Engine) WatchSession(id memory.SessionID, levels []memory.AckLevel) (w *session.Watcher, done func(), err error) {
	if e.State() == Replaying {
		return nil, nil, e.replay.unfinished()
	}
	s, err := e.sessions.Lookup(id)
	if err != nil {
		return nil, nil, err
	}
	if w, err = s.Watch(levels); err != nil {
		return nil, nil, err
	}
	e.welcome(s)
	return w, func() {
		e.audience.remove(s)
		w.Close()
	}, nil
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
