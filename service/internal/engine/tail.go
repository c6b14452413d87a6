package engine

import (
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

// oldest is the position of the oldest frame that no checkpoint holds.
func (t *tail) oldest() (first journal.Position, dirty bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.first, t.dirty
}

// newest is the position of the newest frame.
func (t *tail) newest() journal.Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// clear notes that all frames are in a checkpoint that is about to be, and
// tells from where on they were not. keeping is held for writing.
func (t *tail) clear() (first journal.Position, dirty bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	first, dirty = t.first, t.dirty
	t.dirty = false
	return first, dirty
}

// restore undoes clear: the checkpoint came to nothing.
func (t *tail) restore(first journal.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.dirty || first < t.first {
		t.dirty, t.first = true, first
	}
}

// startAt notes the newest frame of a checkpoint that was read back.
func (t *tail) startAt(last journal.Position) {
	t.mu.Lock()
	t.last = last
	t.mu.Unlock()
}
