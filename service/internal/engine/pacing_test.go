package engine

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// Only a round that nobody waits for is slow, and only as long as nothing is
// short.
func TestARoundHurries(t *testing.T) {
	fs := vfs.NewMem(1)
	e := start(t, fs, func(o *Options) { o.Checkpoint.TailBytes = 1 << 20 })
	defer closeEngine(t, e)
	e.housekeepingOff(t)
	ctx, cancel := context.WithCancel(t.Context())
	hurries := func(wish CheckpointWish) bool { return e.pace(ctx, wish).hurried() }
	slow := CheckpointWish{Paced: true}
	if hurries(slow) || !hurries(CheckpointWish{}) || !hurries(CheckpointWish{Erase: true}) {
		t.Error("at rest")
	}
	for what, set := range map[string]func(bool){
		"memory is short":   func(on bool) { e.memory.round.Store(on) },
		"the disk fills up": func(on bool) { e.room.stand(on) },
	} {
		if set(true); !hurries(slow) {
			t.Errorf("%s, and a round takes its time", what)
		}
		if set(false); hurries(slow) {
			t.Errorf("it is over that %s, and a round hurries", what)
		}
	}
	p := e.pace(ctx, slow)
	if p.manners.patience != 0 {
		t.Errorf("a slow round keeps others waiting for %v", p.manners.patience)
	}
	e.opts.Checkpoint.TailBytes = 0 // as if the tail had become long
	if p.judge(); !p.hurried() || p.manners.patience != hurriedPatience {
		t.Errorf("the tail is long, and others wait for %v", p.manners.patience)
	}
	e.opts.Checkpoint.TailBytes = 1 << 40
	if p.hurried() {
		t.Error("the tail is short again")
	}
	if cancel(); !p.hurried() {
		t.Error("the engine ends, and a round takes its time")
	}
}

// stand lets the disk stand as full or not.
func (r *room) stand(full bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.level = journal.LevelNormal; full {
		r.level = journal.LevelWarning
	}
}

// housekeepingOff ends who would look at memory and the disk meanwhile.
func (e *Engine) housekeepingOff(t testing.TB) {
	t.Helper()
	e.stop()
	e.housekeeping.Wait()
}

// A slow round writes at the rate that is set; one that hurries does not wait.
func TestARoundWritesAtItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, vfs.NewMem(1), func(o *Options) { o.Checkpoint.Rate = 1 << 20 })
		defer closeEngine(t, e)
		for _, c := range []struct {
			wish CheckpointWish
			want time.Duration
		}{{CheckpointWish{Paced: true}, 4 * time.Second}, {CheckpointWish{}, 0}} {
			p, began := e.pace(t.Context(), c.wish), time.Now()
			p.look = func() load { return load{} } // nobody waits for a processor
			for range 10 {
				p.wait(1 << 19)
			}
			if took := time.Since(began).Round(10 * time.Millisecond); took != c.want {
				t.Errorf("5 MiB at 1 MiB/s took %v, want %v: the first of them goes at once", took, c.want)
			}
		}
	})
}

// A round lets others go after 100 µs; one that hurries, after a millisecond.
func TestARoundGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, vfs.NewMem(1), nil)
		defer closeEngine(t, e)
		for _, c := range []struct {
			wish CheckpointWish
			want int
		}{{CheckpointWish{Paced: true}, 100}, {CheckpointWish{}, 10}} {
			p, rests := e.pace(t.Context(), c.wish), 0
			p.look = func() load { return load{runnable: 1, running: 2, processors: 2} }
			for range 200 {
				time.Sleep(50 * time.Microsecond) // a piece of work
				before := time.Now()
				p.giveWay()
				if time.Since(before) > 0 {
					rests++
				}
			}
			if rests != c.want {
				t.Errorf("%+v: %d rests in 10 ms, want %d", c.wish, rests, c.want)
			}
		}
	})
}

// At every pause of a round the space is free: it can be held, written to,
// forgotten from and asked.
func TestARoundPausesWithNothingHeld(t *testing.T) {
	fs := vfs.NewMem(1)
	e := start(t, fs, func(o *Options) { o.Space.IndexThreshold = 100 })
	var in []Incoming
	for i := range 3000 {
		in = append(in, text(fmt.Sprintf("a-%d", i), fmt.Sprintf("note %d", i)))
	}
	for i := 0; i < len(in); i += 1000 {
		keepTexts(t, e, "notes", in[i:i+1000]...)
	}
	pauses, before := 0, 0
	e.checkpoints.instead = func() {
		if pauses++; pauses-before > 30 && pauses%50 != 0 {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := e.pool.Exclusive(ctx, "notes", func() error { return nil }); err != nil {
			t.Errorf("hold the space: %v", err)
		}
		one, cue := text("", fmt.Sprintf("new %d", pauses)), "note"
		if _, err := e.Observe(ctx, Batch{Space: "notes", Wait: memory.AckVisible, Lane: memory.LaneNormal, In: []Incoming{one}}); err != nil {
			t.Errorf("observe: %v", err)
		}
		if _, _, err := e.Forget(ctx, "notes", []memory.ObservationID{memory.ObservationID(fmt.Sprintf("a-%d", pauses))}, filter.Expr{}); err != nil {
			t.Errorf("forget: %v", err)
		}
		if _, err := e.Recall(ctx, Cue{Space: "notes", Text: &cue}); err != nil {
			t.Errorf("recall: %v", err)
		}
	}
	for _, wish := range []CheckpointWish{{Paced: true}, {}, {Paced: true, Erase: true}} {
		before = pauses
		checkpointNow(t, e, wish)
		if got := pauses - before; got < 15 {
			t.Errorf("%+v: %d pauses", wish, got)
		}
	}
	e.checkpoints.instead = nil
	want := contents(t, e, "notes")
	fs = cut(t, e, fs)
	e = start(t, fs, nil)
	defer closeEngine(t, e)
	same(t, "after a crash", contents(t, e, "notes"), want)
}
