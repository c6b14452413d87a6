package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/space"
)

// check holds an engine against what clients were told, and returns what it
// learned of that whose outcome they were not told. Nothing may be under way.
func check(ctx context.Context, e *Engine, m *model) (learned []line, err error) {
	for id := range m.names {
		more, err := checkName(ctx, e, m, id)
		if err != nil {
			return nil, err
		}
		learned = append(learned, more...)
	}
	if n, most := e.registry.count(), len(m.names); n > most {
		return nil, fmt.Errorf("%d spaces, %d names", n, most)
	}
	return learned, checkOver(e, m)
}

// checkName is check for what bears one name.
func checkName(ctx context.Context, e *Engine, m *model, id memory.SpaceID) (learned []line, err error) {
	sp, missing := e.Space(id)
	if missing != nil && reasonOf(missing) != fault.SpaceNotFound {
		return nil, missing
	}
	lives := m.names[id]
	if len(lives) == 0 {
		if missing == nil {
			return nil, fmt.Errorf("space %q is there and was never to be", id)
		}
		return nil, nil
	}
	l := lives[len(lives)-1]
	switch {
	case missing != nil && l.over:
		return nil, nil
	case missing != nil && l.doomed:
		return []line{{kind: deleted, space: id, life: l.n}}, nil
	case missing != nil && !l.made:
		return []line{{kind: uncreated, space: id, life: l.n}}, nil
	case missing != nil:
		return nil, fmt.Errorf("space %q (life %d) is lost", id, l.n)
	case l.over:
		return nil, fmt.Errorf("space %q (life %d) was deleted and is there", id, l.n)
	}
	if l.doomed {
		learned = append(learned, line{kind: undeleted, space: id, life: l.n})
	}
	if !l.made {
		learned = append(learned, line{kind: created, space: id, life: l.n})
	}
	c := &checking{ctx: ctx, e: e, id: id, sp: sp, life: l, marks: map[*spoken]memory.Sequence{}}
	for _, former := range lives[:len(lives)-1] {
		c.floor = max(c.floor, former.reached)
	}
	if err := c.all(); err != nil {
		return nil, fmt.Errorf("space %q (life %d): %w", id, l.n, err)
	}
	return append(learned, c.learned...), nil
}

// checkOver wants sessions that are over to be so.
func checkOver(e *Engine, m *model) error {
	for _, s := range m.order {
		if s.alone || !s.known {
			continue
		}
		info, err := e.sessions.Lookup(s.id)
		switch {
		case s.life.over && err == nil:
			return fmt.Errorf("session %s of deleted space %q is there", s.key, s.space)
		case s.over && err == nil && info.Marks().Closed == false:
			return fmt.Errorf("session %s ended and is open", s.key)
		}
	}
	return nil
}

// checking is the check of one space.
type checking struct {
	ctx     context.Context
	e       *Engine
	id      memory.SpaceID
	sp      *space.Space
	life    *lifeTime
	floor   memory.Generation // where the former lives of the name ended
	rows    map[string]memory.Generation
	at      memory.Generation
	marks   map[*spoken]memory.Sequence
	learned []line
}

func (c *checking) all() error {
	var err error
	if c.rows, c.at, err = listed(c.ctx, c.e, c.id, 0); err != nil {
		return err
	}
	if c.at < c.life.reached {
		return fmt.Errorf("is at generation %d; %d was told", c.at, c.life.reached)
	}
	for _, f := range []func() error{c.sessions, c.kept, c.nothingElse, c.order, c.views, c.recall, c.settings, c.structure} {
		if err := f(); err != nil {
			return err
		}
	}
	c.learned = append(c.learned, line{kind: reading, space: c.id, life: c.life.n, gen: c.at, rows: c.rows})
	return nil
}

// listed is what a space holds at a generation, 0 for the newest: bodies and
// their generations.
func listed(ctx context.Context, e *Engine, id memory.SpaceID, at memory.Generation) (map[string]memory.Generation, memory.Generation, error) {
	rows := map[string]memory.Generation{}
	for l := (Listing{Space: id, Size: MaxPage, At: at}); ; {
		p, err := e.List(ctx, l)
		if err != nil {
			return nil, 0, fmt.Errorf("list at %d: %w", at, err)
		}
		for _, s := range p.Stored {
			body := s.Observation.Content
			if _, twice := rows[body]; twice {
				return nil, 0, fmt.Errorf("%q is there twice", body)
			}
			if v := vectorOf(body); !slices.Equal(v, s.Observation.Vector) && len(v) == len(s.Observation.Vector) {
				return nil, 0, fmt.Errorf("%q has vector %v, not %v", body, s.Observation.Vector, v)
			}
			rows[body] = s.Generation
		}
		if l.Token = p.Next; l.Token == "" {
			return rows, p.Generation, nil
		}
	}
}

// sessions wants acked ⊆ recovered ⊆ sent of every session's mark.
func (c *checking) sessions() error {
	for _, s := range c.life.sessions {
		if s.alone {
			c.marks[s] = s.through // of the rest anything may be there
			continue
		}
		if s.id == "" {
			continue
		}
		got, err := c.e.sessions.Lookup(s.id)
		if err != nil {
			if s.known {
				return fmt.Errorf("session %s is lost: %w", s.key, err)
			}
			continue
		}
		mark := got.Marks()
		if mark.Durable < s.through || int(mark.Durable) > len(s.said) {
			return fmt.Errorf("session %s is at %d; %d was told durable and %d sent", s.key, mark.Durable, s.through, len(s.said))
		}
		rejected := 0
		for _, o := range s.said[:mark.Durable] {
			if o.fault != "" && o.fault != "again" {
				rejected++
			}
		}
		if int(mark.Counts.Rejected) != rejected {
			return fmt.Errorf("session %s at %d has %d rejections; %d were due", s.key, mark.Durable, mark.Counts.Rejected, rejected)
		}
		c.marks[s] = mark.Durable
		c.learned = append(c.learned, line{kind: told, session: s.key, seq: mark.Durable, space: c.id})
	}
	return nil
}

// kept wants everything decided to be there, unless something took it away.
func (c *checking) kept() error {
	for body, p := range c.life.said {
		g, there := c.rows[body]
		if there || p.seq > c.marks[p.by] || c.superseded(p) {
			continue
		}
		if !c.excused(p) {
			return fmt.Errorf("%q (%s, %d of %d durable, told generation %d) is lost", body, p.by.key, p.seq, c.marks[p.by], g)
		}
	}
	return nil
}

func (c *checking) superseded(p *placed) bool {
	if p.id == "" {
		return false
	}
	for _, o := range c.life.byID[p.id] {
		if o.by == p.by && o.seq > p.seq && o.seq <= c.marks[o.by] {
			return true
		}
	}
	return false
}

// excused reports whether a forget or retention may have taken a row.
func (c *checking) excused(p *placed) bool {
	g := c.life.gens[p.body]
	for _, w := range c.life.wishes {
		if w.matches(p.said) && (g == 0 || w.gen == 0 || g < w.gen) {
			return true
		}
	}
	if !c.life.retained || int64(len(c.rows)) < c.life.keep {
		return false
	}
	for _, other := range c.rows {
		if g != 0 && other < g {
			return false // it takes the oldest
		}
	}
	return true
}

// nothingElse wants nothing to be there that was not sent, or was taken away.
func (c *checking) nothingElse() error {
	for body, g := range c.rows {
		p := c.life.said[body]
		switch {
		case p == nil:
			return fmt.Errorf("%q is there and was never to be", body)
		case !p.by.alone && p.seq > c.marks[p.by]:
			return fmt.Errorf("%q is there; session %s is at %d and that is %d", body, p.by.key, c.marks[p.by], p.seq)
		case c.superseded(p):
			return fmt.Errorf("%q is there and was replaced", body)
		case c.life.gone[body]:
			return fmt.Errorf("%q is there again", body)
		case g <= c.floor:
			return fmt.Errorf("%q has generation %d; an earlier life of the name reached %d", body, g, c.floor)
		case c.life.gens[body] != 0 && c.life.gens[body] != g:
			return fmt.Errorf("%q has generation %d and had %d", body, g, c.life.gens[body])
		case c.life.at[g] != "" && c.life.at[g] != body:
			return fmt.Errorf("generation %d is %q and was %q", g, body, c.life.at[g])
		}
		if err := c.forgotten(body, g); err != nil {
			return err
		}
	}
	return nil
}

// forgotten fails if a row of a generation has to be gone. With what an id
// stands for goes what it stood for before.
func (c *checking) forgotten(body string, g memory.Generation) error {
	for _, w := range c.life.wishes {
		if w.matches(c.life.said[body].said) && g < w.gen {
			return fmt.Errorf("%q of generation %d is there and was forgotten at %d", body, g, w.gen)
		}
	}
	return nil
}

// order wants the rows of a session in the order of its numbers.
func (c *checking) order() error {
	for _, s := range c.life.sessions {
		var last memory.Generation
		for i, o := range s.said {
			if g := c.rows[o.body]; o.fault == "" && g != 0 {
				if g <= last {
					return fmt.Errorf("session %s: number %d has generation %d after %d", s.key, i+1, g, last)
				}
				last = g
			}
		}
	}
	return nil
}

// views wants earlier generations to be as they were, but for what was taken
// away.
func (c *checking) views() error {
	for i := range c.life.views {
		v := &c.life.views[i]
		if v.gen == 0 {
			continue
		}
		rows, _, err := listed(c.ctx, c.e, c.id, v.gen)
		if err != nil {
			if reasonOf(err) == fault.GenerationExpired && c.sp.Settings().History < longHistory {
				continue
			}
			return err
		}
		for body, g := range v.rows {
			p := c.life.said[body]
			if rows[body] == 0 && !c.excused(p) && !c.versionGone(p) {
				return fmt.Errorf("generation %d lacks %q of generation %d", v.gen, body, g)
			}
			if rows[body] != 0 && rows[body] != g {
				return fmt.Errorf("at generation %d %q is of generation %d, and was of %d", v.gen, body, rows[body], g)
			}
		}
		for body := range rows {
			if v.rows[body] == 0 {
				return fmt.Errorf("generation %d has %q now", v.gen, body)
			}
			if c.rows[body] == 0 && !c.superseded(c.life.said[body]) {
				return fmt.Errorf("generation %d still has %q", v.gen, body)
			}
			if err := c.forgotten(body, rows[body]); err != nil {
				return fmt.Errorf("at generation %d: %w", v.gen, err)
			}
		}
	}
	return nil
}

// versionGone reports whether a later version of the row's id was taken away,
// and it with that.
func (c *checking) versionGone(p *placed) bool {
	return slices.ContainsFunc(c.life.byID[p.id], func(o *placed) bool { return o.seq > p.seq && c.excused(o) })
}

// recall wants an exact recall to find every row, and one by the graph nothing
// else.
func (c *checking) recall() error {
	dim := c.sp.Dimension()
	if dim == 0 || len(c.rows) == 0 {
		return nil
	}
	for _, exact := range []bool{true, false} {
		r, err := c.e.Recall(c.ctx, Cue{Space: c.id, Vector: vectorOf("cue")[:dim], Limit: len(c.rows) + 10, Exact: exact, Effort: 200})
		if err != nil {
			return fmt.Errorf("recall: %w", err)
		}
		found := map[string]memory.Generation{}
		for _, h := range r.Hits {
			found[h.Observation.Content] = h.Generation
		}
		if len(found) != len(r.Hits) {
			return fmt.Errorf("recall (exact: %v) finds something twice: %d hits, %d rows", exact, len(r.Hits), len(found))
		}
		if exact && !maps.Equal(found, c.rows) {
			return fmt.Errorf("an exact recall finds %d of %d rows", len(found), len(c.rows))
		}
		for body, g := range found {
			if c.rows[body] != g {
				return fmt.Errorf("recall finds %q of generation %d", body, g)
			}
		}
	}
	return nil
}

func (c *checking) settings() error {
	if q := c.sp.Settings().Quotas.MaxObservations; !c.life.bounds[q] {
		return fmt.Errorf("its quota is %d; it may be one of %v", q, c.life.bounds)
	}
	if n := c.sp.Stats().Live; n != int64(len(c.rows)) {
		return fmt.Errorf("counts %d rows and has %d", n, len(c.rows))
	}
	return nil
}

func (c *checking) structure() error {
	sl := c.e.registry.lookup(c.id)
	if sl == nil {
		return errors.New("vanished")
	}
	return c.e.pool.Exclusive(c.ctx, c.id, sl.space.Check)
}
