package engine

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/space"
)

// author makes up what the clients of a workload say.
type author struct {
	w       *world
	written map[string]int
}

func newAuthor(w *world) *author {
	return &author{w: w, written: map[string]int{}}
}

// plain makes observations that have neither id nor tag.
func (a *author) plain(key string, n int) (all []*said) {
	for range n {
		all = append(all, &said{body: a.body(key, 0)})
	}
	return all
}

func (a *author) body(key string, pad int) string {
	a.written[key]++
	return fmt.Sprintf("%s says %d%s", key, a.written[key], strings.Repeat(".", pad))
}

// mixed makes observations of every kind: plain ones, with ids, with tags,
// replacing, repeating and unsound ones.
func (a *author) mixed(key string, n int) (all []*said) {
	var pins []*said // with ids that nobody forgets
	if s := a.w.l.model().sessions[key]; s != nil {
		for _, o := range s.said {
			if o.fault == "" && strings.HasPrefix(string(o.id), "pin-") {
				pins = append(pins, o)
			}
		}
	}
	for range n {
		i := a.written[key] + 1
		s := &said{body: a.body(key, 97*i%700)}
		switch i % 11 {
		case 0:
			s.fault = "confidence"
		case 1:
			s.id = memory.ObservationID(fmt.Sprintf("pin-%s-%d", key, i))
			pins = append(pins, s)
		case 2, 7:
			s.id, s.newer, s.tag = memory.ObservationID("newest-"+key), true, "changing"
		case 3:
			s.tag = "red"
		case 4:
			s.tag = "blue"
		case 5:
			s.id, s.tag = memory.ObservationID(fmt.Sprintf("id-%s-%d", key, i)), "red"
		case 6:
			if len(pins) > 0 {
				s = &said{body: pins[0].body, id: pins[0].id, fault: "again"}
			}
		case 8:
			if len(pins) > 0 {
				s.id, s.fault = pins[len(pins)-1].id, "conflict"
			}
		case 9:
			s.fault = "dimension"
		}
		all = append(all, s)
	}
	return all
}

// some finds the ids of up to n observations of a session that may be
// forgotten.
func (a *author) some(key string, n int) (out wish) {
	out.ids = append(out.ids, "nobody")
	for _, s := range a.w.l.model().sessions[key].said {
		if s.fault == "" && s.id != "" && !strings.HasPrefix(string(s.id), "pin-") && len(out.ids) <= n {
			out.ids = append(out.ids, s.id)
		}
	}
	return out
}

// newest asks for the one observation of a session to be forgotten that
// replaced others.
func (a *author) newest(key string) wish {
	return wish{ids: []memory.ObservationID{memory.ObservationID("newest-" + key)}}
}

// derived asks for the oldest observation of a session that has no id of its
// own to be forgotten.
func (a *author) derived(key string) (out wish) {
	s := a.w.l.model().sessions[key]
	inc := a.w.feeds[key].st.Session().Incarnation()
	for i, o := range s.said {
		if o.fault == "" && o.id == "" && !s.life.gone[o.body] {
			return wish{ids: []memory.ObservationID{memory.DerivedID(inc, memory.Sequence(i+1))}, bodies: []string{o.body}}
		}
	}
	return wish{ids: []memory.ObservationID{"nobody"}}
}

// beside carries out two things at once: work is the driver's, other may not
// touch its clients.
func beside(other, work func() error) error {
	done := make(chan error, 1)
	go func() { done <- other() }()
	err := work()
	return errors.Join(err, <-done)
}

// steps carries out one after the other, up to the first that fails.
func steps(all ...func() error) error {
	for i, step := range all {
		if err := step(); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return nil
}

// mixedWorkload is a history with everything in it that is written to disk.
func mixedWorkload(w *world, rounds int) error {
	a := newAuthor(w)
	zero := 0
	if err := steps(
		func() error { return w.create(NewSpace{ID: "graph", Dimension: crashDimension, IndexThreshold: &zero}) },
		func() error { return w.create(NewSpace{ID: "ring"}) },
		func() error { return w.create(NewSpace{ID: "brief", History: time.Second}) },
		func() error { return w.dial("s1", "graph") },
		func() error { return w.dial("s2", "graph") },
		func() error { return w.dial("s3", "open") },
		func() error { return w.dial("s4", "brief") },
		func() error { return w.dial("ring1", "ring") },
	); err != nil {
		return err
	}
	for r := range rounds {
		if err := mixedRound(w, a, r); err != nil {
			return fmt.Errorf("round %d: %w", r, err)
		}
	}
	return steps(
		func() error { return w.finish("s3") },
		func() error { return w.checkpoint(CheckpointWish{}) },
		func() error { return w.checkpoint(CheckpointWish{Erase: true}) },
	)
}

func mixedRound(w *world, a *author, r int) error {
	phoenix := fmt.Sprintf("p%d", r/2)
	return steps(
		// Streams side by side, nothing awaited in between.
		func() error { return w.send("s1", a.mixed("s1", 9)) },
		func() error { return w.send("s2", a.mixed("s2", 6)) },
		func() error { return w.send("s3", a.mixed("s3", 12)) },
		func() error { return w.send("s1", a.mixed("s1", 5)) },
		func() error { return w.send("s4", a.mixed("s4", 7)) },
		func() error { return w.forget("graph", wish{tag: "red"}) },
		func() error { return w.call("unary", "open", a.mixed("unary", 4), false) },
		func() error { return w.settle("s1") },
		func() error { return w.read("graph") },
		// A checkpoint while others write.
		func() error {
			return beside(func() error { return w.checkpoint(CheckpointWish{Erase: r%3 == 2}) }, func() error {
				return steps(
					func() error { return w.send("s2", a.mixed("s2", 8)) },
					func() error { return w.call("unary", "open", a.mixed("unary", 4), false) },
					func() error { return w.send("s1", a.mixed("s1", 4)) },
					func() error { return w.forget("graph", wish{tag: "blue"}) },
					func() error { return w.dial(fmt.Sprint("late-", r), "late") },
					func() error { return w.send(fmt.Sprint("late-", r), a.mixed(fmt.Sprint("late-", r), 3)) },
				)
			})
		},
		func() error {
			return w.call(fmt.Sprint("alone-", r), "open", a.mixed(fmt.Sprint("alone-", r), 3), true)
		},
		// A name that is used again and again.
		func() error {
			if r%2 == 0 {
				return steps(
					func() error { return w.dial(phoenix, "phoenix") },
					func() error { return w.send(phoenix, a.mixed(phoenix, 4)) },
				)
			}
			return steps(
				func() error { return w.send(phoenix, a.mixed(phoenix, 3)) },
				func() error { return w.remove("phoenix") },
			)
		},
		func() error { return w.send("ring1", a.plain("ring1", 5)) },
		func() error { return w.settle("ring1") },
		func() error { return w.retain("ring", space.Retention{MaxObservations: 7}) },
		func() error { return w.bound("open", int64(10_000+r)) },
		func() error { return w.settle("s2") },
		func() error { return w.forget("graph", a.some("s1", 2)) },
		func() error { return w.forget("graph", a.derived("s2")) },
		func() error { return w.settle("s3") },
		func() error { return w.settle("s4") },
		func() error { return w.read("open") },
		func() error { return w.forget("open", wish{tag: "blue"}) },
		// Superseded rows of this one go soon.
		func() error { w.clock.Advance(10 * time.Second); return nil },
		func() error { w.hangUp("s2"); return w.dial("s2", "graph") },
		func() error {
			if r%2 == 1 {
				w.clock.Advance(5 * time.Minute)
				if err := w.checkpoint(CheckpointWish{}); err != nil {
					return err
				}
				w.hibernate()
			}
			return nil
		},
	)
}

// bigSpace fills a space with somewhat more than one full chunk of rows: of
// five rows of a session two are red, and one is one version of the same.
func bigSpace(w *world, sessions int) error {
	if err := w.create(NewSpace{ID: "big", History: time.Second}); err != nil {
		return err
	}
	a := newAuthor(w)
	for i := range sessions {
		key := fmt.Sprint("big", i)
		if err := w.dial(key, "big"); err != nil {
			return err
		}
		var all []*said
		for n := range 4300 / sessions {
			s := &said{body: a.body(key, 0)}
			switch n % 5 {
			case 0, 1:
				s.tag = "red"
			case 2:
				s.id, s.newer = memory.ObservationID("newest-"+key), true
			case 3:
				s.id = memory.ObservationID("id-" + s.body)
			}
			all = append(all, s)
		}
		for len(all) > 0 {
			n := min(100, len(all))
			if err := w.send(key, all[:n]); err != nil {
				return err
			}
			all = all[n:]
		}
		if err := w.settle(key); err != nil {
			return err
		}
	}
	return w.read("big")
}

// chunkWorkload is a history of a space with full chunks.
func chunkWorkload(w *world) error {
	w.fs.SetHook(nil)
	if err := bigSpace(w, 3); err != nil {
		return err
	}
	w.fs.SetHook(w.hook)
	a := newAuthor(w)
	return steps(
		func() error { return w.checkpoint(CheckpointWish{}) },
		func() error { return w.forget("big", wish{tag: "red"}) },
		func() error { return w.call("more", "big", a.mixed("more", 8), false) },
		func() error { return w.checkpoint(CheckpointWish{}) },
		func() error { w.clock.Advance(10 * time.Minute); return w.read("big") }, // what was superseded may go
		func() error { return w.checkpoint(CheckpointWish{Erase: true}) },
		func() error { return w.call("more", "big", a.mixed("more", 8), false) },
		func() error { return w.checkpoint(CheckpointWish{}) },
		func() error { w.hibernate(); return w.read("big") },
		func() error { return w.forget("big", a.some("big1", 400)) },
		func() error { return w.call("more", "big", a.mixed("more", 8), false) },
		func() error { return w.checkpoint(CheckpointWish{}) },
		func() error { return w.checkpoint(CheckpointWish{Erase: true}) },
		func() error { return w.retain("big", space.Retention{MaxObservations: 50}) },
		func() error { return w.checkpoint(CheckpointWish{}) },
	)
}
