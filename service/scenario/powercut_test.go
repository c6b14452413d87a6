//go:build failpoints && linux

package scenario

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	engram "github.com/engram-stream/engram/sdk/go"
)

const diskSize = 256 << 20

// The power goes while clients stream: what was acked DURABLE by then is there
// when it is back, each once, and recall finds it; and clients that resume end
// with exactly what they sent.
func TestPowerCut(t *testing.T) {
	d := newDisk(t, diskSize)
	s := d.ns.server(t, d.dir, "", "--journal-segment-bytes", "1MiB", "--checkpoint-interval", "1s")
	c, ctx := s.dial()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	moved := make(chan struct{}, 1)
	spaces := map[string]*forgetter{}
	var ws []*streamer
	for k, space := range []string{"kept-0", "kept-1"} {
		var mine []*streamer
		for i := range 2 {
			mine = append(mine, newStreamer(t, ctx, c, space, fmt.Sprintf("s%d%d", k, i), moved))
		}
		spaces[space] = newForgetter(mine) // which is asked, and forgets nothing here
		ws = append(ws, mine...)
	}
	points := &checkpointer{c: c, ctx: ctx}
	defer points.under.Wait()
	defer cancel()
	r := rand.New(rand.NewPCG(4, 4))
	cuts, acked := soak(3, 20), uint64(0)
	for cut := range cuts {
		goal := heardOf(ws) + 500 + r.Uint64N(3000)
		for _, w := range ws {
			w.allow(2000)
			w.open()
		}
		await(t, ctx, moved, ws, goal)
		if points.begin(cut%4 == 1); cut%2 == 1 {
			points.under.Wait()
			goal = heardOf(ws)
			for _, w := range ws {
				w.allow(200)
			}
		}
		await(t, ctx, moved, ws, goal+r.Uint64N(400))
		// Only what was acked before the cut counts.
		before := map[string]known{}
		for space, f := range spaces {
			before[space] = f.known()
		}
		acked = heardOf(ws)
		d.cut()
		s.kill()
		for _, w := range ws {
			w.abandon() // a power cut takes the clients along
		}
		d.back()
		s.again()
		for space, f := range spaces {
			list := all(t, ctx, c, space)
			f.check(t, before[space], list)
			for w, numbers := range sorted(t, list, f.ws) {
				w.recall(numbers)
				w.acked.Store(before[space].acked[w])
			}
		}
	}
	for _, w := range ws {
		w.open()
		w.finish()
	}
	for space, f := range spaces {
		list := all(t, ctx, c, space)
		f.check(t, f.known(), list)
		for w, numbers := range sorted(t, list, f.ws) {
			if w.acked.Load() != w.sent.Load() {
				t.Errorf("%s: %d acked of %d", w.name, w.acked.Load(), w.sent.Load())
			}
			w.recall(numbers)
		}
	}
	points.check(t)
	t.Logf("%d cuts, %d acked before the last, %d sent in all", cuts, acked, heardOf(ws))
	s.stop()
}

// The same without the journal's fsync must lose what was acked: otherwise the
// test above would prove nothing.
func TestPowerCutControl(t *testing.T) {
	d := newDisk(t, diskSize)
	s := d.ns.server(t, d.dir, "journal.skip=error", "--journal-segment-bytes", "1MiB", "--checkpoint-interval", "1s")
	c, ctx := s.dial()
	moved := make(chan struct{}, 1)
	w := newStreamer(t, ctx, c, "kept", "s", moved)
	w.allow(1000)
	w.open()
	await(t, ctx, moved, []*streamer{w}, 500)
	acked := w.acked.Load()
	d.cut()
	s.kill()
	w.abandon()
	d.back()
	if err := s.launch(s.addr); err != nil {
		t.Logf("without fsync the server does not even start: %v", err)
		return
	}
	s.ready()
	there := uint64(0)
	for x, err := range c.List(ctx, "kept", 0, nil) {
		if engram.IsNotFound(err) {
			break // the space itself is lost
		}
		if err != nil {
			t.Fatal(err)
		}
		there = max(there, uint64(x.Metadata["n"].(float64)))
	}
	if there >= acked {
		t.Fatalf("%d were acked without fsync and all survived the power cut: it cuts nothing", acked)
	}
	t.Logf("%d were acked without fsync, %d survived", acked, there)
}
