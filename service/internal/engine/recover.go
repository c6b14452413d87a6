package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"sync/atomic"
	"time"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/fault"
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
	}, func() { sl.space.OpenMark(m.ID, m.Incarnation, now, payload) })
	if err != nil {
		return e.appendFailed(err)
	}
	return nil
}

// replay is how the reading back of the journal goes.
type replay struct {
	done chan struct{} // closed at the end
	err  error         // set before that

	position, total atomic.Uint64 // bytes read back, and to be read
}

func (r *replay) unfinished() *fault.Error {
	return fault.Retry(fault.Unavailable, fault.Replaying, time.Second,
		"replaying: the server is starting and has read back %d of %d bytes of its journal; recalls are answered from the checkpoint meanwhile",
		r.position.Load(), r.total.Load())
}

// Replayed is closed when the journal is read back, and everything kept is
// visible, or when that failed: ReplayError tells.
func (e *Engine) Replayed() <-chan struct{} { return e.replay.done }

// ReplayError is why the journal could not be read back. Valid once Replayed is
// closed.
func (e *Engine) ReplayError() error { return e.replay.err }

// restore puts the spaces of the catalog into the table, asleep, and returns
// the position from which the journal has to be read.
func (e *Engine) restore() (journal.Position, error) {
	for _, d := range e.store.Damage() {
		e.noteDamage(d)
	}
	cat, u := e.store.Latest(), e.journal.Usage()
	if cat == nil {
		if u.First > 0 {
			return 0, fault.New(fault.DataLoss, fault.JournalFailed,
				"the journal begins at position %d, and there is no checkpoint with what came before: its directory is missing, or another", u.First)
		}
		return 0, nil
	}
	switch {
	case cat.Journal != e.journal.ID():
		return 0, fault.New(fault.DataLoss, fault.JournalFailed,
			"the checkpoints belong to journal %016x and the journal is %016x: one of the two is not of this server", cat.Journal, e.journal.ID())
	case journal.Position(cat.Position) < u.First || journal.Position(cat.Position) > u.Durable:
		return 0, fault.New(fault.DataLoss, fault.JournalFailed,
			"the checkpoint ends at journal position %d and the journal holds %d to %d: what lies between is missing", cat.Position, u.First, u.Durable)
	}
	earlier := map[memory.SpaceID]checkpoint.Entry{}
	from := cat.Position
	prev := e.store.Previous()
	if prev != nil {
		for _, en := range prev.Spaces {
			earlier[en.Space] = en
		}
	}
	for _, en := range cat.Spaces {
		sp, through, err := space.Restore(e.store, en, e.opts.Clock)
		if err != nil {
			e.noteDamage(err)
			if old, ok := earlier[en.Space]; ok && old.Incarnation == en.Incarnation && old.Manifest != en.Manifest {
				if sp, through, err = space.Restore(e.store, old, e.opts.Clock); err == nil {
					en, from = old, min(from, prev.Position)
					e.opts.Log.Warn("a space is read from the checkpoint before the last, and from the journal", "space", en.Space)
				}
			}
		}
		if err != nil {
			sp = space.Damaged(space.Settings{ID: en.Space, Incarnation: en.Incarnation, CreatedAt: e.opts.Clock.Now()}, e.opts.Clock, err)
		}
		sl := e.newSlot(sp)
		sl.entry = en
		sl.tail.startAt(journal.Position(through))
		sl.recoverable.Store(uint64(sp.Current().Generation))
		e.registry.put(sl)
	}
	for id, end := range cat.Ended {
		e.registry.ended[id] = end
	}
	e.checkpoints.count(cat.Spaces, 1)
	// What was forgotten before may have bytes in what is kept beside it.
	e.checkpoints.eraseDue(e.opts.Clock.Now())
	e.checkpoints.last = cat.Created
	return journal.Position(from), nil
}

// newSlot makes the slot of a space nobody knows yet.
func (e *Engine) newSlot(s *space.Space) *slot {
	sl := &slot{space: s}
	s.FoundDamaged = e.noteDamage
	s.Awoken = func() {
		if s.WantsIndexWorker() {
			e.wantIndex(sl)
		}
	}
	return sl
}

// catchUp reads the journal back and starts the engine.
func (e *Engine) catchUp(from journal.Position) {
	defer close(e.replay.done)
	if err := e.recover(e.stopping, from); err != nil {
		e.replay.err = err
		return
	}
	if e.closing.Load() || !e.state.CompareAndSwap(int32(Replaying), int32(Serving)) {
		e.replay.err = errDraining
		return
	}
	e.start()
}

// recover carries out the journal from a position on, in order. Afterwards
// every generation means what it meant when it was handed out.
func (e *Engine) recover(ctx context.Context, from journal.Position) error {
	began := time.Now()
	total := e.journal.DurableEnd()
	e.replay.total.Store(uint64(total - from))
	if h, ok := e.journal.(journal.HeaderReader); ok {
		err := h.ReadHeaders(ctx, from, func(_ journal.Position, f *journal.Frame) error {
			if sl := e.registry.lookup(f.Space); sl != nil && sl.space.Incarnation() == f.Incarnation && f.Generations > 0 {
				g := uint64(f.FirstGeneration) + uint64(f.Generations) - 1
				sl.recoverable.Store(max(sl.recoverable.Load(), g))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	frames, told := 0, began
	err := e.journal.Read(ctx, from, func(at journal.Position, f *journal.Frame) error {
		frames++
		e.replay.position.Store(uint64(at - from))
		if frames%256 == 0 {
			e.rec.Replayed(uint64(at-from), uint64(total-from))
			if now := time.Now(); now.Sub(told) >= time.Second {
				told = now
				e.opts.Log.Info("replaying", "bytes", uint64(at-from), "of", uint64(total-from), "percent", 100*uint64(at-from)/max(1, uint64(total-from)))
			}
		}
		if err := e.redo(at, f); err != nil {
			return fmt.Errorf("replay frame at %d: %w", at, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	e.replay.position.Store(uint64(total - from))
	e.rec.Replayed(uint64(total-from), uint64(total-from))
	marks, err := e.marks()
	if err != nil {
		return err
	}
	e.sessions.Restore(marks)
	e.awaitIndex(marks)
	if frames > 0 || e.registry.count() > 0 {
		e.opts.Log.Info("recovered", "spaces", e.registry.count(), "frames", frames, "bytes", uint64(total-from), "took", time.Since(began).Round(time.Millisecond))
	}
	return nil
}

// redo carries out a frame, unless the checkpoint has it.
func (e *Engine) redo(at journal.Position, f *journal.Frame) error {
	reg := e.registry
	sl := reg.lookup(f.Space)
	if sl != nil && at <= sl.tail.newest() || sl == nil && at <= reg.endedAt(f.Space) {
		return nil
	}
	if f.Kind == journal.KindSpaceCreated {
		set, err := space.DecodeSettings(f.Payload)
		if err != nil {
			return err
		}
		sl = e.newSlot(space.New(set, e.opts.Clock))
		sl.tail.note(at)
		reg.put(sl)
		return nil
	}
	if sl == nil || sl.space.Incarnation() != f.Incarnation {
		return nil // written while the space was being deleted
	}
	sl.tail.note(at)
	switch f.Kind {
	case journal.KindSpaceUpdated:
		set, err := space.DecodeSettings(f.Payload)
		if err != nil {
			return err
		}
		sl.space.Update(set)
	case journal.KindSpaceDeleted:
		reg.remove(f.Space, f.FirstGeneration, at)
		sl.space.MarkDeleted()
		e.checkpoints.eraseDue(e.opts.Clock.Now())
	case journal.KindSession:
		for _, run := range f.Runs {
			sl.space.OpenMark(run.Session, run.Incarnation, f.CommitTime, bytes.Clone(f.Payload))
		}
	default:
		if err := sl.space.Wake(); err != nil {
			return nil // the others are not to suffer; it was reported
		}
		if f.Kind == journal.KindForget || f.Kind == journal.KindRetention {
			e.checkpoints.eraseDue(e.opts.Clock.Now())
		}
		return sl.space.Replay(f)
	}
	return nil
}

// marks are the sessions as the spaces know them. Those past their retention
// stay forgotten.
func (e *Engine) marks() ([]session.Marks, error) {
	var out []session.Marks
	now := e.opts.Clock.Now()
	keep := e.opts.Session.Retention
	if keep == 0 {
		keep = 24 * time.Hour
	}
	for _, sl := range e.registry.all() {
		indexed := !sl.space.WantsIndexing()
		for _, m := range sl.space.Marks() {
			used := time.Unix(0, m.LastUsed)
			if now.Sub(used) > keep {
				sl.space.DropMark(m.Session)
				continue
			}
			var kept sessionMark
			if len(m.Note) > 0 {
				if err := json.Unmarshal(m.Note, &kept); err != nil {
					return nil, fmt.Errorf("decode the mark of session %q: %w", m.Session, err)
				}
			}
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
	return out, nil
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
