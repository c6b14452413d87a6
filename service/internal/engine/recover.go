package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"time"

	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/session"
	"github.com/engram-stream/engram/service/internal/space"
)

// sessionMark is the payload of a session frame: what a session's runs in the
// rows frames do not say.
type sessionMark struct {
	Lane   memory.Lane    `json:"lane"`
	Closed bool           `json:"closed,omitempty"`
	Counts session.Counts `json:"counts"`
}

// keepSession journals that a session exists, and whether it is over.
func (e *Engine) keepSession(ctx context.Context, sl *slot, s *session.Session) error {
	m := s.Marks()
	payload, err := json.Marshal(sessionMark{Lane: m.Lane, Closed: m.Closed, Counts: m.Counts})
	if err != nil {
		return fmt.Errorf("encode session mark: %w", err)
	}
	now := e.opts.Clock.Now().UnixNano()
	err = e.keep(ctx, sl, &journal.Frame{
		Kind: journal.KindSession, Space: s.Space(), Incarnation: sl.space.Incarnation(), CommitTime: now,
		Runs: []journal.Run{{Session: m.ID, Incarnation: m.Incarnation}}, Payload: payload,
	}, func() { sl.space.OpenMark(m.ID, m.Incarnation, now) })
	if err != nil {
		return e.appendFailed(err)
	}
	return nil
}

// recovery is what reading the journal back gathers beside the spaces.
type recovery struct {
	engine   *Engine
	sessions map[memory.SessionID]sessionMark
	frames   int
}

// recover carries out the journal from its start, in order. Afterwards every
// generation means what it meant when it was handed out.
func (e *Engine) recover(ctx context.Context) error {
	began := time.Now()
	r := recovery{engine: e, sessions: map[memory.SessionID]sessionMark{}}
	total := e.journal.Usage().Durable
	err := e.journal.Read(ctx, 0, func(at journal.Position, f *journal.Frame) error {
		r.frames++
		if r.frames%1024 == 0 {
			e.rec.Replayed(uint64(at), uint64(total))
		}
		if err := r.frame(f); err != nil {
			return fmt.Errorf("replay frame at %d: %w", at, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	e.rec.Replayed(uint64(total), uint64(total))
	marks := r.marks()
	e.sessions.Restore(marks)
	e.awaitIndex(marks)
	if r.frames > 0 {
		e.opts.Log.Info("journal replayed", "frames", r.frames, "bytes", uint64(total), "spaces", e.registry.count(), "took", time.Since(began).Round(time.Millisecond))
	}
	return nil
}

func (r *recovery) frame(f *journal.Frame) error {
	reg := r.engine.registry
	if f.Kind == journal.KindSpaceCreated {
		set, err := space.DecodeSettings(f.Payload)
		if err != nil {
			return err
		}
		reg.put(&slot{space: space.New(set, r.engine.opts.Clock)})
		return nil
	}
	sl := reg.lookup(f.Space)
	if sl == nil || sl.space.Incarnation() != f.Incarnation {
		return nil // written while the space was being deleted
	}
	switch f.Kind {
	case journal.KindSpaceUpdated:
		set, err := space.DecodeSettings(f.Payload)
		if err != nil {
			return err
		}
		sl.space.Update(set)
	case journal.KindSpaceDeleted:
		reg.remove(f.Space, f.FirstGeneration)
		sl.space.MarkDeleted()
	case journal.KindSession:
		var m sessionMark
		if err := json.Unmarshal(f.Payload, &m); err != nil {
			return fmt.Errorf("decode session mark: %w", err)
		}
		for _, run := range f.Runs {
			r.sessions[run.Session] = m
			sl.space.OpenMark(run.Session, run.Incarnation, f.CommitTime)
		}
	default:
		return sl.space.Replay(f)
	}
	return nil
}

// marks joins what the spaces know of their sessions with the session frames.
// Sessions past their retention stay forgotten.
func (r *recovery) marks() []session.Marks {
	var out []session.Marks
	now := r.engine.opts.Clock.Now()
	keep := r.engine.opts.Session.Retention
	if keep == 0 {
		keep = 24 * time.Hour
	}
	for _, sl := range r.engine.registry.all() {
		indexed := !sl.space.WantsIndexing()
		for _, m := range sl.space.Marks() {
			used := time.Unix(0, m.LastUsed)
			if now.Sub(used) > keep {
				sl.space.DropMark(m.Session)
				continue
			}
			kept := r.sessions[m.Session]
			sm := session.Marks{
				ID: m.Session, Incarnation: m.Incarnation, Space: sl.space.ID(), Lane: kept.Lane, Closed: kept.Closed,
				Durable: m.Durable, Visible: m.Durable, Generation: m.Generation, LastUsed: used,
				Rejections: m.Rejections, Counts: kept.Counts,
			}
			sm.Counts.Rejected = m.Rejected
			if indexed {
				sm.Indexed = m.Durable
			}
			out = append(out, sm)
		}
	}
	return out
}

// awaitIndex lets sessions whose rows are not in the graph yet, since it is
// built anew, hear of it when they are.
func (e *Engine) awaitIndex(marks []session.Marks) {
	sort.Slice(marks, func(i, j int) bool { return marks[i].Generation < marks[j].Generation })
	for i := range marks {
		m := &marks[i]
		if m.Closed || m.Indexed == m.Durable {
			continue
		}
		s, err := e.sessions.Lookup(m.ID)
		sl := e.registry.lookup(m.Space)
		if err != nil || sl == nil {
			continue // forgotten meanwhile
		}
		sl.awaiting.add(&delivery{slot: sl, session: s}, m.Durable, m.Generation, nil)
	}
}

// sessionsForgotten drops the marks of sessions whose retention is over.
func (e *Engine) sessionsForgotten(ids []memory.SessionID) {
	for _, sl := range e.registry.all() {
		for _, id := range ids {
			sl.space.DropMark(id)
		}
	}
}
