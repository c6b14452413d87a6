//go:build failpoints

package scenario

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"github.com/google/go-cmp/cmp"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/gen/go/engram/v1/engramv1connect"
	engram "github.com/engram-stream/engram/sdk/go"
)

// Kill -9, again and again, under clients that stream, replace and forget: what
// was acked is there, each once; clients that resume end with exactly what they
// sent; and a generation goes on meaning what it meant.
func TestKillNine(t *testing.T) {
	rounds := soak(10, 100)
	s := start(t, "", "--journal-segment-bytes", "1MiB", "--checkpoint-interval", "1s")
	c, ctx := s.dial()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	raw := s.raw()
	moved := make(chan struct{}, 1)
	graph := uint64(0)
	spaces := map[string]*forgetter{}
	var ws []*streamer
	for k, space := range []string{"kept-0", "kept-1", "kept-2"} {
		n := engram.NewSpace{Dimension: 16, HistoryWindow: 24 * time.Hour}
		if k == 0 {
			n.IndexThreshold = &graph
		}
		if _, _, err := c.CreateSpace(ctx, space, n); err != nil {
			t.Fatal(err)
		}
		var mine []*streamer
		for i := range []int{1, 2, 1}[k] {
			mine = append(mine, newStreamer(t, ctx, c, space, fmt.Sprintf("s%d%d", k, i), moved))
		}
		spaces[space] = newForgetter(mine)
		ws = append(ws, mine...)
	}
	forgetting, enough := context.WithCancel(ctx)
	defer enough()
	var forgetters sync.WaitGroup
	for _, w := range ws {
		w.open()
	}
	for _, f := range spaces {
		forgetters.Go(func() { f.run(forgetting) })
	}
	defer forgetters.Wait()
	defer cancel()

	points := &checkpointer{c: c, ctx: ctx}
	defer points.under.Wait()
	defer cancel()
	var seen []glimpse
	r := rand.New(rand.NewPCG(uint64(rounds), 9))
	for round := range rounds {
		goal := heardOf(ws) + 100
		for _, w := range ws {
			w.allow(50 + r.Uint64N(500))
		}
		await(t, ctx, moved, ws, goal)
		for space := range spaces {
			// Bounded, so that the later rounds are not longer than the first.
			if g := look(t, ctx, c, raw, space); len(seen) < 30 {
				seen = append(seen, g)
			} else {
				seen[r.IntN(len(seen))] = g
			}
		}
		if points.begin(round%3 == 0); round%2 == 1 {
			points.under.Wait()
			goal = heardOf(ws)
			for _, w := range ws {
				w.allow(200)
			}
		}
		await(t, ctx, moved, ws, goal+r.Uint64N(90))
		s.kill()
		crashed := ws[round%len(ws)]
		crashed.abandon()
		if round%4 == 3 { // and once more while it comes back
			if err := s.launch(s.addr); err != nil {
				t.Fatal(err)
			}
			s.kill()
		}
		s.again()
		for space, f := range spaces {
			k := f.known()
			f.check(t, k, all(t, ctx, c, space))
			poke(f.up)
		}
		for _, g := range seen {
			g.again(t, ctx, c, raw)
		}
		crashed.open()
	}

	for _, w := range ws {
		w.finish()
	}
	enough()
	forgetters.Wait()
	for space, f := range spaces {
		list := all(t, ctx, c, space)
		f.check(t, f.known(), list)
		sent := f.calls // a call that forgets makes one generation, a row one
		for w, numbers := range sorted(t, list, f.ws) {
			if w.acked.Load() != w.sent.Load() || len(f.gone[w]) != len(f.begun[w]) {
				t.Errorf("%s: %d acked of %d, %d of %d forgotten", w.name, w.acked.Load(), w.sent.Load(), len(f.gone[w]), len(f.begun[w]))
			}
			sent += w.sent.Load()
			w.recall(numbers)
		}
		sp, err := c.GetSpace(ctx, space)
		if err != nil || sp.Generation != sent || sp.Observations != uint64(len(list)) {
			t.Errorf("%s: %+v, %v; want generation %d: one for each row and each forgetting", space, sp, err, sent)
		}
	}
	points.check(t)
	t.Logf("%d kills, %d sent, %d generations looked at again", rounds, heardOf(ws), len(seen))
	s.stop()
}

// raw makes a client without the SDK.
func (s *server) raw() engramv1connect.MemoryServiceClient {
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: &p}
	s.t.Cleanup(tr.CloseIdleConnections)
	return engramv1connect.NewMemoryServiceClient(connect.NewClient(connecthttp.NewTransport(&http.Client{Transport: tr}, "http://"+s.addr)))
}

// glimpse is what a space showed at a generation, without what may be forgotten
// later: that leaves every generation.
type glimpse struct {
	space      string
	generation uint64
	Recalled   []string // id, generation and similarity, best first
	Listed     []string // the rows of the last generations
}

var cue = vectors(77, 1, 16)[0]

// look sees what a space shows now, and asks for it by its generation at once.
func look(t *testing.T, ctx context.Context, c *engram.Client, raw engramv1connect.MemoryServiceClient, space string) glimpse {
	t.Helper()
	r, err := c.Recall(ctx, space, engram.ByVector(cue), lasting, engram.Exact())
	if err != nil || len(r.Results) == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	g := glimpse{space: space, generation: r.Generation, Recalled: results(r)}
	g.Listed = g.list(t, ctx, raw)
	g.again(t, ctx, c, raw)
	return g
}

var lasting = engram.Matching(engram.Filter{None: []engram.Clause{engram.Eq("metadata.kind", kindDrop)}})

func results(r *engram.Recall) (out []string) {
	for _, x := range r.Results {
		out = append(out, fmt.Sprint(x.Observation.ID, " ", x.Observation.Metadata["n"], " ", x.Generation, " ", x.Similarity))
	}
	return out
}

func (g *glimpse) list(t *testing.T, ctx context.Context, raw engramv1connect.MemoryServiceClient) (out []string) {
	t.Helper()
	p, err := raw.ListObservations(ctx, &v1.ListObservationsRequest{Space: g.space, At: g.generation, SinceGeneration: g.generation - min(g.generation, 200), PageSize: 1000})
	if err != nil || p.Generation != g.generation || p.NextPageToken != "" {
		t.Fatalf("list %s at %d: %v, %v", g.space, g.generation, p.GetGeneration(), err)
	}
	for _, x := range p.Observations {
		if x.Observation.Metadata.AsMap()["kind"] != kindDrop {
			out = append(out, fmt.Sprint(x.Observation.Id, " ", x.Generation))
		}
	}
	return out
}

// again fails when the generation shows anything else.
func (g *glimpse) again(t *testing.T, ctx context.Context, c *engram.Client, raw engramv1connect.MemoryServiceClient) {
	t.Helper()
	r, err := c.Recall(ctx, g.space, engram.ByVector(cue), lasting, engram.Exact(), engram.At(g.generation))
	if err != nil || r.Generation != g.generation {
		t.Fatalf("recall in %s at %d: %+v, %v", g.space, g.generation, r, err)
	}
	now := glimpse{space: g.space, generation: g.generation, Recalled: results(r), Listed: g.list(t, ctx, raw)}
	if diff := cmp.Diff(*g, now, cmp.AllowUnexported(glimpse{})); diff != "" {
		t.Fatalf("generation %d of %s means something else now:\n%s", g.generation, g.space, diff)
	}
}
