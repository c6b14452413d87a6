package engine

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/engram-stream/engram/service/internal/memory"
)

// ledger is what clients did and were told, in order: what they are about to
// do is written down before they do it, and what they were told after. It only
// grows, so that a power cut has the length of it for a state.
type ledger struct {
	mu     sync.Mutex
	notes  []line
	folded *model // of the notes before upTo
	upTo   int
}

// line is one entry of the ledger.
type line struct {
	kind    lineKind
	space   memory.SpaceID
	life    int    // of the name, from 1
	session string // the clients' own name of it
	id      memory.SessionID
	seq     memory.Sequence // of what was sent; through, of what was told
	said    *said
	gen     memory.Generation
	wish    *wish
	number  int64
	rows    map[string]memory.Generation
}

type lineKind string

const (
	creating   lineKind = "creating"
	created    lineKind = "created"
	uncreated  lineKind = "not created" // seen after a crash
	deleting   lineKind = "deleting"
	deleted    lineKind = "deleted"
	undeleted  lineKind = "not deleted" // seen after a crash
	opening    lineKind = "opening"
	opened     lineKind = "opened"
	sending    lineKind = "sending"
	told       lineKind = "told"
	ending     lineKind = "ending"
	ended      lineKind = "ended"
	forgetting lineKind = "forgetting"
	forgot     lineKind = "forgot"
	retaining  lineKind = "retaining"
	bounding   lineKind = "bounding"
	bounded    lineKind = "bounded"
	reading    lineKind = "read"
	crashed    lineKind = "crashed"
	remark     lineKind = "" // for the reader of a failure
)

// said is one observation as a client sends it.
type said struct {
	body  string               // tells it from all others
	id    memory.ObservationID // empty: derived
	tag   string
	fault string // "" or why it gets no row: see incoming
	newer bool   // replaces what the id stood for
}

// wish is one forget.
type wish struct {
	ids    []memory.ObservationID
	bodies []string // of those whose id is derived
	tag    string
	gen    memory.Generation // 0: not acknowledged
}

func (w *wish) matches(s *said) bool {
	return w.tag != "" && s.tag == w.tag || s.id != "" && slices.Contains(w.ids, s.id) || slices.Contains(w.bodies, s.body)
}

func (l *ledger) add(n line) {
	l.mu.Lock()
	l.notes = append(l.notes, n)
	l.mu.Unlock()
}

// model is what the notes come to so far. It is the driver's own and goes along
// with the notes at every call.
func (l *ledger) model() *model {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.folded == nil {
		l.folded = &model{names: map[memory.SpaceID][]*lifeTime{}, sessions: map[string]*spoken{}}
	}
	for ; l.upTo < len(l.notes); l.upTo++ {
		l.folded.apply(&l.notes[l.upTo])
	}
	return l.folded
}

// last prints the newest notes, for a failure.
func last(notes []line, n int) string {
	var b strings.Builder
	for i, x := range notes[max(0, len(notes)-n):] {
		fmt.Fprintf(&b, "  %3d %-11s %s/%d %s", max(0, len(notes)-n)+i, x.kind, x.space, x.life, x.session)
		if x.seq != 0 {
			fmt.Fprintf(&b, " seq %d", x.seq)
		}
		if x.said != nil {
			fmt.Fprintf(&b, " %q id=%q tag=%q fault=%q", strings.TrimRight(x.said.body, "."), x.said.id, x.said.tag, x.said.fault)
		}
		if x.gen != 0 {
			fmt.Fprintf(&b, " gen %d", x.gen)
		}
		if x.wish != nil {
			fmt.Fprintf(&b, " ids %q bodies %q tag %q", x.wish.ids, x.wish.bodies, x.wish.tag)
		}
		if x.rows != nil {
			fmt.Fprintf(&b, " %d rows", len(x.rows))
		}
		if x.number != 0 {
			fmt.Fprintf(&b, " %d", x.number)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// model is what the notes come to.
type model struct {
	names    map[memory.SpaceID][]*lifeTime
	sessions map[string]*spoken
	order    []*spoken
}

// lifeTime is a space from its creation to its deletion.
type lifeTime struct {
	n          int
	made, over bool // told
	doomed     bool // a deletion was begun
	said       map[string]*placed
	byID       map[memory.ObservationID][]*placed
	wishes     []*wish
	retained   bool
	keep       int64                        // of a retention; 0 with one by age
	bounds     map[int64]bool               // quotas that may be in force
	gens       map[string]memory.Generation // learned
	at         map[memory.Generation]string
	views      []line
	shown      map[string]bool // in the newest reading
	gone       map[string]bool // not in a reading any more
	reached    memory.Generation
	sessions   []*spoken
}

// placed is an observation at its place in a session.
type placed struct {
	*said
	by  *spoken
	seq memory.Sequence
}

// spoken is a session, or a call of its own ("alone").
type spoken struct {
	key           string
	id            memory.SessionID
	space         memory.SpaceID
	life          *lifeTime
	known         bool // told that it exists
	alone         bool
	closing, over bool
	said          []*said
	through       memory.Sequence // told durable
}

func (m *model) life(id memory.SpaceID) *lifeTime {
	lives := m.names[id]
	if len(lives) == 0 {
		return nil
	}
	return lives[len(lives)-1]
}

// alive is the life of a name that clients may use.
func (m *model) alive(id memory.SpaceID) *lifeTime {
	if l := m.life(id); l != nil && !l.over {
		return l
	}
	return nil
}

func (m *model) apply(n *line) {
	l := m.life(n.space)
	switch n.kind {
	case creating:
		m.names[n.space] = append(m.names[n.space], &lifeTime{
			n: n.life, said: map[string]*placed{}, byID: map[memory.ObservationID][]*placed{}, bounds: map[int64]bool{0: true},
			gens: map[string]memory.Generation{}, at: map[memory.Generation]string{}, shown: map[string]bool{}, gone: map[string]bool{},
		})
	case created:
		l.made = true
	case uncreated:
		m.names[n.space] = m.names[n.space][:len(m.names[n.space])-1]
		m.dropSessions(l)
	case deleting:
		l.doomed = true
	case deleted:
		l.over = true
	case undeleted:
		l.doomed = false
	case opening, opened:
		s := m.sessions[n.session]
		if s == nil {
			s = &spoken{key: n.session, space: n.space, life: l, alone: n.id == ""}
			m.sessions[n.session] = s
			m.order = append(m.order, s)
			l.sessions = append(l.sessions, s)
		}
		s.id, s.known = n.id, s.known || n.kind == opened
	case sending:
		m.send(n)
	case told:
		s := m.sessions[n.session]
		s.through, s.known = max(s.through, n.seq), true
		s.life.reached = max(s.life.reached, n.gen)
		s.life.made = true
	case ending:
		m.sessions[n.session].closing = true
	case ended:
		m.sessions[n.session].over = true
	case forgetting:
		w := *n.wish
		l.wishes = append(l.wishes, &w)
	case forgot:
		l.wishes[len(l.wishes)-1].gen = n.gen
		l.reached = max(l.reached, n.gen)
	case retaining:
		if !l.retained || n.number < l.keep {
			l.keep = n.number // what an earlier one took does not come back
		}
		l.retained = true
	case bounding:
		l.bounds[n.number] = true
	case bounded:
		l.bounds = map[int64]bool{n.number: true}
	case reading:
		l.read(n)
	}
}

func (m *model) send(n *line) {
	s := m.sessions[n.session]
	if int(n.seq) <= len(s.said) {
		return // again
	}
	s.said = append(s.said, n.said)
	if n.said.fault != "" {
		return
	}
	p := &placed{n.said, s, n.seq}
	s.life.said[n.said.body] = p
	if n.said.id != "" {
		s.life.byID[n.said.id] = append(s.life.byID[n.said.id], p)
	}
}

// read takes in a listing of the newest generation.
func (l *lifeTime) read(n *line) {
	for body, g := range n.rows {
		l.gens[body], l.at[g] = g, body
	}
	for body := range l.shown {
		if _, there := n.rows[body]; !there {
			l.gone[body] = true
		}
	}
	l.shown = map[string]bool{}
	for body := range n.rows {
		l.shown[body] = true
	}
	l.reached = max(l.reached, n.gen)
	l.views = append(l.views, *n)
}

func (m *model) dropSessions(l *lifeTime) {
	for _, s := range l.sessions {
		delete(m.sessions, s.key)
		m.order = slices.DeleteFunc(m.order, func(o *spoken) bool { return o == s })
	}
}
