//go:build failpoints

package scenario

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
)

// streamer is a client that streams observations which follow from their
// numbers, so that what a server holds can be compared with what was sent.
// Of ten, one replaces an earlier one, and one is there to be forgotten.
//
// Its owner calls the methods, one at a time; a goroutine of its own observes
// between start and halt, or abandon.
type streamer struct {
	t     *testing.T
	c     *engram.Client
	ctx   context.Context
	space string
	name  string
	opts  []engram.SessionOption
	pad   string          // the content of every observation
	pokes []chan struct{} // each is told when acked has moved

	sess   *engram.Session
	limit  atomic.Uint64 // up to which number it goes for now
	raised chan struct{}
	sent   atomic.Uint64 // the last number that was handed over, or is about to be
	acked  atomic.Uint64 // acked DURABLE, as heard
	stop   atomic.Bool
	cancel context.CancelFunc
	ended  chan struct{}
}

// newStreamer makes one that ends with the test at the latest.
func newStreamer(t *testing.T, ctx context.Context, c *engram.Client, space, name string, pokes ...chan struct{}) *streamer {
	w := &streamer{t: t, c: c, ctx: ctx, space: space, name: name, pokes: pokes, raised: make(chan struct{}, 1)}
	t.Cleanup(func() {
		if w.sess != nil && w.sess.Err() == nil {
			w.abandon()
		}
	})
	return w
}

// The kinds of observations.
const (
	kindKeep = "keep"
	kindSwap = "swap" // replaces the one before of its id
	kindDrop = "drop" // may be forgotten
)

func kindOf(n uint64) string {
	switch n % 10 {
	case 3:
		return kindSwap
	case 7:
		return kindDrop
	}
	return kindKeep
}

// id is what number n is stored under; empty where the server derives it.
func (w *streamer) id(n uint64) string {
	switch kind := kindOf(n); {
	case kind == kindSwap:
		return fmt.Sprintf("%s-swap-%d", w.name, n/10%7)
	case kind == kindDrop || n%2 == 1:
		return fmt.Sprintf("%s-%s-%d", w.name, kind, n)
	}
	return ""
}

// vector is that of number n, unlike any other's.
func (w *streamer) vector(n uint64) []float32 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(w.name))
	r := rand.New(rand.NewPCG(h.Sum64(), n))
	v := make([]float32, 16)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

func (w *streamer) observation(n uint64) engram.Observation {
	return engram.Observation{
		ID: w.id(n), Content: w.pad, Vector: w.vector(n), Replace: kindOf(n) == kindSwap,
		Metadata: map[string]any{"session": w.name, "n": float64(n), "kind": kindOf(n)},
	}
}

// open opens the session, or resumes it, and starts streaming.
func (w *streamer) open() {
	w.t.Helper()
	opts := append([]engram.SessionOption{engram.WithBatching(32, 1<<20, time.Millisecond), engram.WithBuffer(256, 64<<20), engram.OnAck(w.heard)}, w.opts...)
	if w.sess != nil {
		opts = append(opts, engram.Resume(w.sess.ID()))
	}
	sess, err := w.c.OpenSession(w.ctx, w.space, opts...)
	if err != nil {
		w.t.Fatalf("open %s in %s: %v", w.name, w.space, err)
	}
	w.sess = sess
	// The first number is what the server says, as for a client that knows
	// nothing but the session's name.
	from := sess.Stats().Durable
	if acked := w.acked.Load(); from < acked {
		w.t.Fatalf("%s: %d was acked DURABLE, and the session goes on after %d", w.name, acked, from)
	}
	w.acked.Store(from)
	w.sent.Store(from)
	w.start(from + 1)
}

func (w *streamer) heard(l engram.Level, through, _ uint64) {
	if l != engram.Durable {
		return
	}
	w.acked.Store(max(w.acked.Load(), through))
	for _, c := range w.pokes {
		poke(c)
	}
}

// allow lets it stream n numbers more.
func (w *streamer) allow(n uint64) {
	w.limit.Add(n)
	poke(w.raised)
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// start streams from number n on.
func (w *streamer) start(n uint64) {
	ctx, cancel := context.WithCancel(w.ctx)
	ended := make(chan struct{})
	w.cancel, w.ended = cancel, ended
	w.stop.Store(false)
	go func() {
		defer close(ended)
		for ; ; n++ {
			for n > w.limit.Load() && !w.stop.Load() && ctx.Err() == nil {
				select {
				case <-w.raised:
				case <-ctx.Done():
				}
			}
			if w.stop.Load() {
				return
			}
			w.sent.Store(n)
			got, err := w.sess.Observe(ctx, w.observation(n))
			if err == nil && got == n {
				continue
			}
			if ctx.Err() == nil {
				w.t.Errorf("%s: observing %d gave %d, %v", w.name, n, got, err)
			}
			return
		}
	}()
}

// halt ends the streaming; what was observed goes on being sent.
func (w *streamer) halt() {
	w.stop.Store(true)
	poke(w.raised)
	<-w.ended
	w.cancel()
}

// abandon ends the client as a crash of its own would; open resumes.
func (w *streamer) abandon() {
	w.cancel()
	<-w.ended
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	_, _ = w.sess.Close(gone) // it is given up: what it says does not matter
}

// finish waits until everything is kept and visible and ends the session.
func (w *streamer) finish() {
	w.t.Helper()
	w.halt()
	if end, err := w.sess.Close(w.ctx); err != nil || end.FinalSequence != w.sent.Load() || end.Rejected != 0 {
		w.t.Fatalf("%s: %+v, %v; %d were sent", w.name, end, err, w.sent.Load())
	}
}

// await waits until the streamers have heard of so many numbers in all.
func await(t *testing.T, ctx context.Context, moved <-chan struct{}, ws []*streamer, target uint64) {
	t.Helper()
	for heardOf(ws) < target {
		select {
		case <-moved:
		case <-ctx.Done():
			t.Fatalf("%d of %d acks came", heardOf(ws), target)
		}
	}
}

func heardOf(ws []*streamer) (sum uint64) {
	for _, w := range ws {
		sum += w.acked.Load()
	}
	return sum
}

// sorted takes the observations of a space apart by who streamed them, in
// generation order.
func sorted(t *testing.T, list []engram.Stored, ws []*streamer) map[*streamer][]uint64 {
	t.Helper()
	by := map[string]*streamer{}
	for _, w := range ws {
		by[w.name] = w
	}
	out := map[*streamer][]uint64{}
	for _, x := range list {
		name, _ := x.Metadata["session"].(string)
		number, _ := x.Metadata["n"].(float64)
		w, n := by[name], uint64(number)
		if w == nil || n == 0 {
			t.Fatalf("%s, generation %d, was never sent", x.ID, x.Generation)
		}
		if id := w.id(n); id != "" && id != x.ID {
			t.Fatalf("%s: number %d is stored under %s, not %s", name, n, x.ID, id)
		}
		out[w] = append(out[w], n)
	}
	return out
}

// check compares the numbers that are there with a prefix of what was sent:
// each once, in order, without a gap, and all that was acked by then. gone are
// the numbers that must be missing; what is in maybe may be.
func (w *streamer) check(there []uint64, acked uint64, gone, maybe map[uint64]bool) {
	w.t.Helper()
	sent := w.sent.Load()
	through := acked
	for i, n := range there {
		if i > 0 && n <= there[i-1] {
			w.t.Fatalf("%s: number %d comes after %d", w.name, n, there[i-1])
		}
		through = max(through, n)
	}
	if through > sent {
		w.t.Fatalf("%s: number %d is there, %d were sent", w.name, through, sent)
	}
	want := w.want(through, gone)
	i := 0
	for _, n := range want {
		switch {
		case i < len(there) && there[i] == n:
			i++
		case maybe[n]:
		default:
			w.t.Fatalf("%s: number %d (%s) is missing; %d were acked DURABLE, %d is the last that is there, %d are there", w.name, n, kindOf(n), acked, through, len(there))
		}
	}
	if i != len(there) {
		w.t.Fatalf("%s: number %d (%s) is there and should not be", w.name, there[i], kindOf(there[i]))
	}
}

// want are the numbers that are there when those up to through were applied.
func (w *streamer) want(through uint64, gone map[uint64]bool) []uint64 {
	var out []uint64
	swapped := map[string]bool{}
	for n := through; n > 0; n-- {
		if kindOf(n) == kindSwap {
			if swapped[w.id(n)] {
				continue
			}
			swapped[w.id(n)] = true
		}
		if !gone[n] {
			out = append(out, n)
		}
	}
	slices.Reverse(out)
	return out
}

// recall looks for each of the numbers by its own vector.
func (w *streamer) recall(numbers []uint64) {
	w.t.Helper()
	find := func(n uint64, opts ...engram.RecallOption) (bool, error) {
		r, err := w.c.Recall(w.ctx, w.space, engram.ByVector(w.vector(n)), append(opts, engram.Limit(1))...)
		return err == nil && len(r.Results) == 1 && r.Results[0].Observation.Metadata["session"] == w.name && r.Results[0].Observation.Metadata["n"] == float64(n), err
	}
	var next, missed atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(numbers); i = next.Add(1) - 1 {
				n := numbers[i]
				if found, err := find(n); err == nil && found {
					continue
				}
				missed.Add(1) // a graph may miss one; the exact search may not
				if found, err := find(n, engram.Exact()); err != nil || !found {
					w.t.Errorf("%s: number %d is there and recall does not find it: %v", w.name, n, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if int(missed.Load()) > len(numbers)/100 {
		w.t.Errorf("%s: %d of %d are found by exact search only", w.name, missed.Load(), len(numbers))
	}
}
