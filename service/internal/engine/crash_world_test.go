package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/engram-stream/engram/service/internal/clock"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/space"
	"github.com/engram-stream/engram/service/internal/vfs"
)

const (
	crashDimension = 8
	longHistory    = 24 * time.Hour
	crashPatience  = 60 * time.Second
)

// vectorOf makes the vector of an observation from what it says.
func vectorOf(body string) []float32 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(body)) //nolint:errcheck // it cannot fail
	rng := rand.New(rand.NewPCG(h.Sum64(), 1))
	v := make([]float32, crashDimension)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

// world is an engine on a disk of its own, and its clients. One goroutine
// drives it.
type world struct {
	ctx   context.Context
	disk  *vfs.Mem
	fs    *vfs.Inject
	hook  func(vfs.Call) error
	clock *clock.Manual
	l     *ledger
	e     *Engine
	feeds map[string]*feed
	n     int // of names given
}

func crashOptions(fs vfs.FS, c clock.Clock) Options {
	return Options{
		Journal: journal.Options{FS: fs, Dir: "data", SegmentBytes: 16 << 10}, Clock: c, IndexWorkers: 1,
		Space:  SpaceDefaults{IndexThreshold: 24, M: 4, EfConstruction: 20, History: longHistory},
		Limits: Limits{Dimension: 16},
	}
}

// newWorld starts an engine over what a disk holds, with what clients know.
func newWorld(ctx context.Context, disk *vfs.Mem, now time.Time, notes []line, hook func(vfs.Call) error) (*world, error) {
	w := prepareWorld(ctx, disk, now, notes, hook)
	return w, w.start()
}

// prepareWorld is newWorld but for the start.
func prepareWorld(ctx context.Context, disk *vfs.Mem, now time.Time, notes []line, hook func(vfs.Call) error) *world {
	w := &world{ctx: ctx, disk: disk, hook: hook, clock: clock.NewManual(now), l: &ledger{notes: notes}, feeds: map[string]*feed{}, n: len(notes)}
	w.fs = vfs.NewInject(disk, hook)
	return w
}

func (w *world) start() (err error) {
	ctx, cancel := context.WithTimeout(w.ctx, crashPatience)
	defer cancel()
	if w.e, err = New(ctx, crashOptions(w.fs, w.clock)); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	return nil
}

// stop ends the engine: as a crash does, or after it made everything durable.
func (w *world) stop(drain bool) error {
	var err error
	if drain {
		ctx, cancel := context.WithTimeout(w.ctx, crashPatience)
		defer cancel()
		err = w.e.Drain(ctx)
	}
	for key := range w.feeds {
		w.hangUp(key)
	}
	return errors.Join(err, w.e.Close())
}

// recheck holds the engine against the ledger, and notes what is learned.
func (w *world) recheck() error {
	learned, err := check(w.ctx, w.e, w.l.model())
	if err != nil {
		return err
	}
	for _, n := range learned {
		w.l.add(n)
	}
	return nil
}

// --- spaces -------------------------------------------------------------------

func (w *world) nextLife(id memory.SpaceID) int { return len(w.l.model().names[id]) + 1 }

func (w *world) create(n NewSpace) error {
	life := w.nextLife(n.ID)
	w.l.add(line{kind: creating, space: n.ID, life: life})
	n.Embedder = EmbedderNone
	if n.History == 0 {
		n.History = longHistory
	}
	if _, _, err := w.e.CreateSpace(w.ctx, n); err != nil {
		return fmt.Errorf("create %q: %w", n.ID, err)
	}
	w.l.add(line{kind: created, space: n.ID, life: life})
	return nil
}

// need makes a space come into being by writing to it.
func (w *world) need(id memory.SpaceID) *lifeTime {
	if l := w.l.model().alive(id); l != nil {
		return l
	}
	w.l.add(line{kind: creating, space: id, life: w.nextLife(id)})
	return w.l.model().alive(id)
}

func (w *world) remove(id memory.SpaceID) error {
	m := w.l.model()
	life := m.alive(id).n
	for _, s := range m.order {
		if s.life == m.life(id) {
			w.settle(s.key) //nolint:errcheck // what is under way may come to nothing
			w.hangUp(s.key)
		}
	}
	w.l.add(line{kind: deleting, space: id, life: life})
	if _, err := w.e.DeleteSpace(w.ctx, id); err != nil {
		return fmt.Errorf("delete %q: %w", id, err)
	}
	w.l.add(line{kind: deleted, space: id, life: life})
	return nil
}

func (w *world) retain(id memory.SpaceID, r space.Retention) error {
	life := w.l.model().alive(id).n
	w.l.add(line{kind: retaining, space: id, life: life, number: r.MaxObservations})
	if _, err := w.e.UpdateSpace(w.ctx, id, nil, &r, nil); err != nil {
		return fmt.Errorf("set the retention of %q: %w", id, err)
	}
	return w.read(id)
}

func (w *world) bound(id memory.SpaceID, most int64) error {
	life := w.l.model().alive(id).n
	w.l.add(line{kind: bounding, space: id, life: life, number: most})
	if _, err := w.e.UpdateSpace(w.ctx, id, &space.Quotas{MaxObservations: most}, nil, nil); err != nil {
		return fmt.Errorf("set the quota of %q: %w", id, err)
	}
	w.l.add(line{kind: bounded, space: id, life: life, number: most})
	return nil
}

// read lists a space, and has it that it stays so.
func (w *world) read(id memory.SpaceID) error {
	rows, at, err := listed(w.ctx, w.e, id, 0)
	if err != nil {
		return fmt.Errorf("read %q: %w", id, err)
	}
	w.l.add(line{kind: reading, space: id, life: w.l.model().alive(id).n, gen: at, rows: rows})
	return nil
}

func (w *world) forget(id memory.SpaceID, wish wish) error {
	life := w.l.model().alive(id).n
	w.l.add(line{kind: forgetting, space: id, life: life, wish: &wish})
	var x filter.Expr
	if wish.tag != "" {
		x.All = []filter.Clause{{Key: "metadata.tag", Op: filter.Equals, Values: []any{wish.tag}}}
	}
	_, at, err := w.e.Forget(w.ctx, id, wish.ids, x)
	if err != nil {
		return fmt.Errorf("forget in %q: %w", id, err)
	}
	w.l.add(line{kind: forgot, space: id, life: life, gen: at})
	return nil
}

func (w *world) checkpoint(wish CheckpointWish) error {
	w.l.add(line{kind: remark, session: fmt.Sprintf("checkpoint %+v", wish)})
	info, err := w.e.Checkpoint(w.ctx, wish)
	w.l.add(line{kind: remark, session: fmt.Sprintf("checkpoint %+v done: %d", wish, info.Number)})
	return err
}

func (w *world) hibernate() {
	w.e.opts.Checkpoint.HibernateAfter = time.Nanosecond
	w.clock.Advance(time.Second)
	w.e.hibernate(w.ctx)
	w.l.add(line{kind: remark, session: fmt.Sprintf("asleep: %d", w.e.Status().Checkpoint.Asleep)})
}

// --- observations -------------------------------------------------------------

// incoming is an observation as it comes from the wire. Its fault is "confidence"
// or "dimension" (rejected at once), "conflict" (rejected when applied) or
// "again" (a repetition).
func (s *said) incoming() Incoming {
	o := &memory.Observation{ID: s.id, Content: s.body, Vector: vectorOf(s.body), Encoding: memory.EncodingValues, Confidence: 0.5, Replace: s.newer}
	if s.tag != "" {
		o.Metadata = map[string]any{"tag": s.tag}
	}
	switch s.fault {
	case "confidence":
		o.Confidence = 7
	case "dimension":
		o.Vector = o.Vector[:3]
	}
	var err error
	if o.Digest, err = memory.DigestOf(o); err != nil {
		panic(err) // plain data
	}
	return Incoming{Observation: o, Bytes: len(s.body) + 4*len(o.Vector) + 64}
}

func incomings(all []*said) []Incoming {
	in := make([]Incoming, len(all))
	for i, s := range all {
		in[i] = s.incoming()
	}
	return in
}

// send puts observations on a session's stream and does not wait.
func (w *world) send(key string, all []*said) error {
	s := w.l.model().sessions[key]
	first := memory.Sequence(len(s.said) + 1)
	for i, o := range all {
		w.l.add(line{kind: sending, session: key, space: s.space, life: s.life.n, seq: first + memory.Sequence(i), said: o})
	}
	if err := takeParcel(w.ctx, w.feeds[key].st, first, incomings(all)); err != nil {
		return fmt.Errorf("send on session %s: %w", key, err)
	}
	return nil
}

// settle waits until everything sent on a session's stream is visible.
func (w *world) settle(key string) error {
	f, s := w.feeds[key], w.l.model().sessions[key]
	if f == nil || len(s.said) == 0 {
		return nil
	}
	if err := f.await(w.ctx, func() bool { return int(f.visible) >= len(s.said) }); err != nil {
		return fmt.Errorf("settle session %s at %d of %d: %w", key, f.visible, len(s.said), err)
	}
	return nil
}

// finish ends a session in good order.
func (w *world) finish(key string) error {
	f, s := w.feeds[key], w.l.model().sessions[key]
	w.l.add(line{kind: ending, session: key, space: s.space, life: s.life.n})
	if err := f.st.Drain(memory.Sequence(len(s.said))); err != nil {
		return fmt.Errorf("drain session %s: %w", key, err)
	}
	err := f.await(w.ctx, func() bool { return f.ended })
	w.hangUp(key)
	return err
}

// call sends observations in a unary call: under a session of the name key, or
// alone.
func (w *world) call(key string, id memory.SpaceID, all []*said, alone bool) error {
	life := w.need(id).n
	s := w.l.model().sessions[key]
	b := Batch{Space: id, Lane: memory.LaneNormal, Wait: memory.AckVisible, In: incomings(all)}
	first := memory.Sequence(1)
	if s != nil {
		first = memory.Sequence(len(s.said) + 1)
	} else if alone {
		w.l.add(line{kind: opening, session: key, space: id, life: life})
	} else {
		w.l.add(line{kind: opening, session: key, space: id, life: life, id: memory.SessionID(key)})
	}
	if !alone {
		b.Session, b.First = memory.SessionID(key), first
	}
	for i, o := range all {
		w.l.add(line{kind: sending, session: key, space: id, life: life, seq: first + memory.Sequence(i), said: o})
	}
	return w.observe(key, b, first, len(all))
}

func (w *world) observe(key string, b Batch, first memory.Sequence, n int) error {
	ctx, cancel := context.WithTimeout(w.ctx, crashPatience)
	defer cancel()
	kept, err := w.e.Observe(ctx, b)
	if err != nil {
		return fmt.Errorf("call %s: %w", key, err)
	}
	w.l.add(line{kind: told, session: key, seq: first + memory.Sequence(n) - 1, gen: kept.Generation, space: b.Space})
	return nil
}

// resume lets every client come back and send again what it was not told of,
// and a little more.
func (w *world) resume() error {
	for _, s := range w.l.model().order {
		if s.alone || s.over || s.life.over || s.life.doomed {
			continue
		}
		if err := w.comeBack(s); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) comeBack(s *spoken) error {
	unary := s.id == memory.SessionID(s.key)
	from := max(2, s.through) - 1
	again := s.said[min(int(from)-1, len(s.said)):]
	if unary {
		if len(again) == 0 {
			return nil
		}
		b := Batch{Space: s.space, Lane: memory.LaneNormal, Wait: memory.AckVisible, Session: s.id, First: from, In: incomings(again)}
		return w.observe(s.key, b, from, len(again))
	}
	if s.closing {
		// Its end was not told: either it is over, or it goes on.
		err := w.dial(s.key, s.space)
		if reasonOf(err) == fault.SessionClosed {
			w.l.add(line{kind: ended, session: s.key})
			return nil
		}
		if err != nil {
			return err
		}
	} else if err := w.dial(s.key, s.space); err != nil {
		return err
	}
	if len(again) > 0 {
		if err := takeParcel(w.ctx, w.feeds[s.key].st, from, incomings(again)); err != nil {
			return fmt.Errorf("resend on session %s from %d: %w", s.key, from, err)
		}
	}
	return w.settle(s.key)
}

// liveOn uses every name that there is or was, as new clients would.
func (w *world) liveOn() error {
	a := newAuthor(w)
	for _, s := range w.l.model().order {
		if s.alone || s.life.over || s.life.n != len(w.l.model().names[s.space]) {
			continue
		}
		if err := w.forget(s.space, a.newest(s.key)); err != nil {
			return err
		}
	}
	for id := range w.l.model().names {
		w.n++
		key := fmt.Sprintf("new-%s-%d", id, w.n)
		if err := steps(
			func() error { return w.dial(key, id) },
			func() error { return w.send(key, a.mixed(key, 5)) },
			func() error { return w.settle(key) },
			func() error { return w.forget(id, a.some(key, 1)) },
		); err != nil {
			return fmt.Errorf("live on in %q: %w", id, err)
		}
	}
	return nil
}

// complete wants all that was sent to be decided.
func (w *world) complete() error {
	for _, s := range w.l.model().order {
		if !s.alone && !s.over && !s.life.over && !s.life.doomed && int(s.through) != len(s.said) {
			return fmt.Errorf("session %s: %d of %d are decided after all was sent again", s.key, s.through, len(s.said))
		}
	}
	return nil
}

// keys are the sessions of a space that can be written to.
func (w *world) keys(id memory.SpaceID, streams bool) (out []string) {
	for _, s := range w.l.model().order {
		if s.space == id && !s.alone && !s.life.over && !s.closing && (s.id != memory.SessionID(s.key)) == streams {
			out = append(out, s.key)
		}
	}
	slices.Sort(out)
	return out
}
