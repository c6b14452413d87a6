package engine

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/space"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// TestRandomHistoriesWithCrashes lets clients do what they like, in any order,
// while the power goes now and then, also amid what comes after a power cut.
func TestRandomHistoriesWithCrashes(t *testing.T) {
	for range pick(3, 1, 100) { // of a hundred histories each
		rapid.Check(t, func(rt *rapid.T) { randomHistory(t, rt) })
	}
}

func randomHistory(t *testing.T, rt *rapid.T) {
	h := &history{rt: rt, fuse: &fuse{}}
	var err error
	h.w, err = newWorld(t.Context(), vfs.NewMem(rapid.Uint64().Draw(rt, "seed")), time.Unix(1_700_000_000, 0), nil, h.fuse.hook)
	if err != nil {
		rt.Fatal(err)
	}
	h.fuse.w = h.w
	h.a = newAuthor(h.w)
	defer func() {
		if err := h.w.stop(false); err != nil {
			rt.Error(err)
		}
	}()
	for range rapid.IntRange(1, 40).Draw(rt, "steps") {
		if err := h.step(); err != nil {
			rt.Fatalf("%v\n%s", err, last(h.w.l.notes, 60))
		}
	}
	if err := h.crash(); err != nil {
		rt.Fatalf("at the end: %v\n%s", err, last(h.w.l.notes, 60))
	}
}

// fuse takes the disk as it is at a sync point to come.
type fuse struct {
	w     *world
	after atomic.Int64 // sync points; 0: not lit
	torn  atomic.Bool
	blown atomic.Pointer[crashSite]
}

func (f *fuse) hook(c vfs.Call) error {
	if c.Op != vfs.OpSync && c.Op != vfs.OpSyncDir || f.after.Load() <= 0 || f.after.Add(-1) > 0 {
		return nil
	}
	l := f.w.l
	l.mu.Lock()
	defer l.mu.Unlock()
	site := &crashSite{at: c, notes: l.notes[:len(l.notes):len(l.notes)], now: f.w.clock.Now()}
	if f.torn.Load() {
		site.disk, site.how = f.w.disk.Crash(), "torn"
	} else {
		site.disk, site.how = f.w.disk.Synced(), "nothing unsynced is left"
	}
	f.blown.Store(site)
	return nil
}

// history is one random course of things.
type history struct {
	rt   *rapid.T
	w    *world
	a    *author
	fuse *fuse
	n    int
}

var historySpaces = []memory.SpaceID{"one", "two", "three"}

// step does one thing, and lets the power go if its time has come.
func (h *history) step() error {
	what := []func() error{h.send, h.send, h.send, h.call, h.call, h.forget, h.checkpoint, h.checkpoint, h.settle, h.read, h.hangUp, h.remove, h.rest,
		h.retain, h.bound, h.finish, h.light, h.light, h.crash, h.restart}
	if err := rapid.SampledFrom(what).Draw(h.rt, "what")(); err != nil {
		return err
	}
	if site := h.fuse.blown.Swap(nil); site != nil {
		return h.goOn(site)
	}
	return nil
}

// goOn leaves the world for the one that a crash left.
func (h *history) goOn(site *crashSite) error {
	h.fuse.after.Store(0)
	h.fuse.blown.Store(nil)
	if err := h.w.stop(false); err != nil {
		return err
	}
	next := &fuse{}
	if rapid.Bool().Draw(h.rt, "crash again soon") {
		next.after.Store(int64(rapid.IntRange(1, 12).Draw(h.rt, "sync points")))
	}
	w, err := newWorldWith(h.w, site, next)
	if err != nil {
		return err
	}
	// A second crash goes by what clients know of the first.
	h.w, h.a.w, h.fuse = w, w, next
	w.l.add(line{kind: crashed, session: site.how + " at " + string(site.at.Op) + " " + site.at.Name})
	if again := next.blown.Swap(nil); again != nil {
		return h.goOn(again)
	}
	if err := steps(w.recheck, w.resume); err != nil {
		return err
	}
	// What was a forget's outcome is known now; the authors forget nothing.
	if again := next.blown.Swap(nil); again != nil {
		return h.goOn(again)
	}
	return steps(w.complete, w.recheck)
}

// newWorldWith starts on what a crash left, with a fuse that may be lit.
func newWorldWith(former *world, site *crashSite, f *fuse) (*world, error) {
	w := prepareWorld(former.ctx, site.disk, site.now, site.notes, f.hook)
	f.w = w
	return w, w.start()
}

func (h *history) space() memory.SpaceID {
	return rapid.SampledFrom(historySpaces).Draw(h.rt, "space")
}

// alive draws a space that is there, or gives an empty name.
func (h *history) alive() memory.SpaceID {
	m := h.w.l.model()
	ids := slices.DeleteFunc(slices.Clone(historySpaces), func(id memory.SpaceID) bool { return m.alive(id) == nil })
	if len(ids) == 0 {
		return ""
	}
	return rapid.SampledFrom(ids).Draw(h.rt, "space that is there")
}

// stream draws a session of a space, or opens one.
func (h *history) stream(id memory.SpaceID) (string, error) {
	keys := h.w.keys(id, true)
	h.n++
	key := fmt.Sprintf("s%d-%s", h.n, id)
	if len(keys) > 0 && rapid.IntRange(0, 3).Draw(h.rt, "new session") > 0 {
		key = rapid.SampledFrom(keys).Draw(h.rt, "session")
	}
	if h.w.feeds[key] == nil {
		return key, h.w.dial(key, id)
	}
	return key, nil
}

// said makes observations; a space that forgets by itself keeps to plain ones,
// since there an id may be free again.
func (h *history) said(id memory.SpaceID, key string) []*said {
	n := rapid.IntRange(1, 15).Draw(h.rt, "observations")
	if l := h.w.l.model().alive(id); l != nil && l.retained || id == "three" {
		return h.a.plain(key, n)
	}
	return h.a.mixed(key, n)
}

func (h *history) send() error {
	id := h.space()
	key, err := h.stream(id)
	if err != nil {
		return err
	}
	return h.w.send(key, h.said(id, key))
}

func (h *history) call() error {
	id := h.space()
	h.n++
	key := fmt.Sprintf("call-%d", h.n)
	alone := rapid.Bool().Draw(h.rt, "alone")
	if known := h.w.keys(id, false); !alone && len(known) > 0 {
		key = rapid.SampledFrom(known).Draw(h.rt, "session")
	}
	return h.w.call(key, id, h.said(id, key), alone)
}

func (h *history) forget() error {
	id := h.alive()
	if id == "" || id == "three" {
		return nil
	}
	if tag := rapid.SampledFrom([]string{"red", "blue", "changing", ""}).Draw(h.rt, "tag"); tag != "" {
		return h.w.forget(id, wish{tag: tag})
	}
	if keys := h.w.keys(id, true); len(keys) > 0 {
		return h.w.forget(id, h.a.some(rapid.SampledFrom(keys).Draw(h.rt, "session"), 3))
	}
	return nil
}

func (h *history) checkpoint() error {
	wish := CheckpointWish{Erase: rapid.Bool().Draw(h.rt, "erase")}
	if rapid.Bool().Draw(h.rt, "meanwhile") {
		other := rapid.SampledFrom([]func() error{h.send, h.call, h.forget, h.remove}).Draw(h.rt, "what meanwhile")
		return beside(func() error { return h.w.checkpoint(wish) }, other)
	}
	return h.w.checkpoint(wish)
}

func (h *history) settle() error {
	for key := range h.w.feeds {
		if err := h.w.settle(key); err != nil {
			return err
		}
	}
	return nil
}

func (h *history) read() error {
	if id := h.alive(); id != "" {
		return h.w.read(id)
	}
	return nil
}

func (h *history) hangUp() error {
	var keys []string
	for key := range h.w.feeds {
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil
	}
	slices.Sort(keys)
	key := rapid.SampledFrom(keys).Draw(h.rt, "stream")
	h.w.hangUp(key)
	if s := h.w.l.model().sessions[key]; s != nil && !s.life.over && !s.over {
		return h.w.comeBack(s)
	}
	return nil
}

func (h *history) remove() error {
	if id := h.alive(); id != "" && rapid.Bool().Draw(h.rt, "really") {
		return h.w.remove(id)
	}
	return nil
}

// rest lets time pass, and spaces fall asleep.
func (h *history) rest() error {
	if err := h.settle(); err != nil {
		return err
	}
	h.w.hibernate()
	return nil
}

func (h *history) retain() error {
	if h.w.l.model().alive("three") == nil {
		return nil
	}
	if err := h.settle(); err != nil {
		return err
	}
	return h.w.retain("three", space.Retention{MaxObservations: int64(rapid.IntRange(3, 9).Draw(h.rt, "keep"))})
}

func (h *history) bound() error {
	if id := h.alive(); id != "" {
		return h.w.bound(id, int64(rapid.IntRange(10_000, 10_050).Draw(h.rt, "quota")))
	}
	return nil
}

func (h *history) finish() error {
	for _, id := range historySpaces {
		for _, key := range h.w.keys(id, true) {
			if h.w.feeds[key] != nil {
				return steps(func() error { return h.w.settle(key) }, func() error { return h.w.finish(key) })
			}
		}
	}
	return nil
}

// light lets the power go at a sync point to come.
func (h *history) light() error {
	h.fuse.torn.Store(rapid.Bool().Draw(h.rt, "torn"))
	h.fuse.after.Store(int64(rapid.IntRange(1, 15).Draw(h.rt, "sync points")))
	return nil
}

// crash lets the power go now.
func (h *history) crash() error {
	l := h.w.l
	l.mu.Lock()
	site := &crashSite{how: "now, torn", disk: h.w.disk.Crash(), notes: l.notes[:len(l.notes):len(l.notes)], now: h.w.clock.Now()}
	l.mu.Unlock()
	return h.goOn(site)
}

// restart stops in good order and starts again.
func (h *history) restart() error {
	w := h.w
	if err := errors.Join(w.stop(true), w.start()); err != nil {
		return err
	}
	return steps(w.recheck, w.resume, w.complete)
}
