package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// large keeps more than a collection is made for, in a space of its own.
func large(t testing.TB, e *Engine, sp memory.SpaceID) {
	t.Helper()
	const dim = 4096
	for batch := range 3 {
		in := make([]Incoming, 800)
		for i := range in {
			v := make([]float32, dim)
			v[batch], v[100+i] = 1, 1
			in[i] = vec(v...)
		}
		keepTexts(t, e, sp, in...)
	}
}

// At rest, what a round let go of is collected soon after it; beside a stream,
// whose own collections do that, none is forced; and who waits for memory gets it
// at once.
func TestWhatARoundLetsGoIsCollected(t *testing.T) {
	for _, c := range []struct {
		name  string
		each  uint64 // collections a second that come by themselves
		once  uint64 // that come in all
		short bool
		want  int           // forced
		after time.Duration // at least
	}{
		{name: "at rest", want: 1, after: collectAfter},
		{name: "one was under way", once: 1, want: 1, after: collectAfter},
		{name: "beside a stream", each: 1},
		{name: "memory is short", short: true, each: 1, want: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := start(t, vfs.NewMem(1), func(o *Options) { o.Limits.Batch = 800 })
				defer closeEngine(t, e)
				began := time.Now()
				forced, when := 0, time.Duration(0)
				g := &e.checkpoints.garbage
				g.mu.Lock()
				g.count = func() uint64 {
					return c.each*uint64(time.Since(began)/time.Second) + min(c.once, uint64(time.Since(began)/time.Second))
				}
				g.collect = func() { forced++; when = time.Since(began) }
				g.mu.Unlock()
				large(t, e, "notes")
				e.memory.round.Store(c.short)
				if info := checkpointNow(t, e, CheckpointWish{Paced: true}); info.Bytes < freeBytes {
					t.Fatalf("%d bytes are too few for this test", info.Bytes)
				}
				wrote := time.Since(began)
				if c.short && forced != 1 {
					t.Error("memory is short, and nothing is collected")
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if forced != c.want || when > 0 && (when-wrote < c.after || when-wrote > c.after+2*checkpointEvery) {
					t.Errorf("%d collections were forced, the last %v after the round", forced, when-wrote)
				}
				// A round that wrote little owes nothing.
				keepTexts(t, e, "notes", vec(make([]float32, 4096)...))
				e.memory.round.Store(false)
				forced = 0
				checkpointNow(t, e, CheckpointWish{})
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if forced != 0 {
					t.Errorf("%d collections were forced for nothing", forced)
				}
			})
		})
	}
}

// The runtime counts its collections where they are looked for.
func TestCollectionsAreCounted(t *testing.T) {
	var c collecting
	before := c.completed()
	c.atOnce()
	if after := c.completed(); after <= before {
		t.Errorf("%d collections before one was forced, %d after it", before, after)
	}
}
