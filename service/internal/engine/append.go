package engine

import (
	"context"
	"sync"

	"github.com/engram-stream/engram/service/internal/journal"
)

// tail is where the frames of a space lie that its checkpoint does not hold.
//
// keeping is held for reading from before a frame is appended until what it
// says is done to the space's marks, and for writing by whoever takes a
// checkpoint: the frames before it are all in, and those after it are all out.
// It is taken under the space's lease, if both are; mu is a leaf.
type tail struct {
	keeping sync.RWMutex

	mu    sync.Mutex
	dirty bool             // there are such frames
	first journal.Position // of the oldest of them
	last  journal.Position // of the newest frame of the space, in a checkpoint or not
}

func (t *tail) note(at journal.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.dirty || at < t.first {
		t.dirty, t.first = true, at
	}
	t.last = max(t.last, at)
}

// keep makes a frame of a space durable: every frame of the engine goes this
// way. then, which may be nil, runs before a checkpoint can be taken: it does
// what the frame says, where no lease keeps checkpoints away.
func (e *Engine) keep(ctx context.Context, sl *slot, f *journal.Frame, then func()) error {
	sl.tail.keeping.RLock()
	defer sl.tail.keeping.RUnlock()
	at, err := e.journal.Append(ctx, f)
	if err != nil {
		return err
	}
	sl.tail.note(at)
	if then != nil {
		then()
	}
	return nil
}
