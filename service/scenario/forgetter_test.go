//go:build failpoints

package scenario

import (
	"context"
	"maps"
	"sync"
	"testing"

	engram "github.com/engram-stream/engram/sdk/go"
)

// forgetter forgets what the streamers of a space have sent to be forgotten. It
// repeats a call whose outcome a crash made unknown.
type forgetter struct {
	ws    []*streamer
	moved chan struct{}
	up    chan struct{} // the server is back

	mu    sync.Mutex
	begun map[*streamer]map[uint64]bool
	gone  map[*streamer]map[uint64]bool // of begun, those that were told to be gone
	calls uint64                        // that were told to have succeeded
}

func newForgetter(ws []*streamer) *forgetter {
	f := &forgetter{ws: ws, moved: make(chan struct{}, 1), up: make(chan struct{}, 1), begun: map[*streamer]map[uint64]bool{}, gone: map[*streamer]map[uint64]bool{}}
	for _, w := range ws {
		f.begun[w], f.gone[w] = map[uint64]bool{}, map[uint64]bool{}
		w.pokes = append(w.pokes, f.moved)
	}
	return f
}

// run forgets until ctx ends, and then what it has begun.
func (f *forgetter) run(ctx context.Context) {
	next := map[*streamer]uint64{}
	for ctx.Err() == nil {
		for _, w := range f.ws {
			var numbers []uint64
			for next[w] = max(next[w], 7); next[w] <= w.acked.Load() && len(numbers) < 5; next[w] += 10 {
				numbers = append(numbers, next[w])
			}
			if len(numbers) > 0 {
				f.forget(w, numbers)
			}
		}
		select {
		case <-f.moved:
		case <-ctx.Done():
		}
	}
}

func (f *forgetter) forget(w *streamer, numbers []uint64) {
	var ids []string
	f.mu.Lock()
	for _, n := range numbers {
		f.begun[w][n] = true
		ids = append(ids, w.id(n))
	}
	f.mu.Unlock()
	for {
		_, err := w.c.Forget(w.ctx, w.space, ids...)
		if err == nil {
			break
		}
		if w.ctx.Err() != nil {
			return
		}
		if !engram.IsUnavailable(err) && engram.ReasonOf(err) != "TRANSPORT" {
			w.t.Errorf("forget of %s: %v", w.name, err)
			return
		}
		select {
		case <-f.up:
		case <-w.ctx.Done():
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	for _, n := range numbers {
		f.gone[w][n] = true
	}
}

// known is what has to be there, and what must not be, from now on.
type known struct {
	acked map[*streamer]uint64
	gone  map[*streamer]map[uint64]bool
}

func (f *forgetter) known() known {
	k := known{map[*streamer]uint64{}, map[*streamer]map[uint64]bool{}}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.ws {
		k.acked[w], k.gone[w] = w.acked.Load(), maps.Clone(f.gone[w])
	}
	return k
}

// check compares what a space holds with what its streamers sent. The list was
// made after k was: what came meanwhile may be in it.
func (f *forgetter) check(t *testing.T, k known, list []engram.Stored) {
	t.Helper()
	ids(t, list)
	there := sorted(t, list, f.ws)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.ws {
		w.check(there[w], k.acked[w], k.gone[w], f.begun[w])
	}
}
