package engine

import (
	"context"
	"sync"

	"github.com/engram-stream/engram/service/internal/admission"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// call is one unary Observe on its way: it collects the outcomes of its items
// by position, and its caller waits until they have come far enough.
//
// The worker that holds the space writes, one caller waits; mu guards all. It
// ends with the caller: late reports change nothing that is looked at.
type call struct {
	ticket *admission.Ticket
	first  memory.Sequence
	level  memory.AckLevel // that its caller waits for

	mu       sync.Mutex
	outcomes []memory.Outcome
	known    int // outcomes decided, from the first
	levels   [memory.AckLevelCount]memory.Sequence
	gen      memory.Generation
	fault    *fault.Error
	changed  chan struct{} // closed and replaced on every change
}

func newCall(first memory.Sequence, n int, t *admission.Ticket, level memory.AckLevel) *call {
	return &call{ticket: t, first: first, level: level, outcomes: make([]memory.Outcome, n), changed: make(chan struct{})}
}

func (c *call) decided(seq memory.Sequence, outcomes []memory.Outcome, bytes int64) {
	c.ticket.Release(len(outcomes), bytes)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range outcomes {
		c.outcomes[int(seq-c.first)+i] = outcomes[i]
		c.gen = max(c.gen, outcomes[i].Generation)
	}
	c.known += len(outcomes)
	c.raise(memory.AckDurable, seq+memory.Sequence(len(outcomes))-1)
}

func (c *call) reached(level memory.AckLevel, seq memory.Sequence, gen memory.Generation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen = max(c.gen, gen)
	c.raise(level, seq)
}

// quarantined corrects an outcome after the fact.
func (c *call) quarantined(seq memory.Sequence, r *memory.Rejection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := &c.outcomes[seq-c.first]
	o.Quarantined, o.Rejection = true, r
}

func (c *call) raise(level memory.AckLevel, seq memory.Sequence) {
	for l := memory.AckDurable; l <= level; l++ {
		c.levels[l] = max(c.levels[l], seq)
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *call) fail(f *fault.Error, bytes int64, items int) {
	c.ticket.Release(items, bytes)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fault == nil {
		c.fault = f
		close(c.changed)
		c.changed = make(chan struct{})
	}
}

// waitsForGraph reports whether the caller, if there is one, waits for INDEXED.
func (c *call) waitsForGraph() bool { return c != nil && c.level == memory.AckIndexed }

// await waits until all items have reached the level and returns their outcomes
// and the generation at which they are visible.
func (c *call) await(ctx context.Context) ([]memory.Outcome, memory.Generation, error) {
	last := c.first + memory.Sequence(len(c.outcomes)) - 1
	for {
		c.mu.Lock()
		changed, f, there, gen := c.changed, c.fault, c.levels[c.level] >= last, c.gen
		c.mu.Unlock()
		switch {
		case f != nil:
			return nil, 0, f
		case there:
			return c.outcomes, gen, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, 0, fault.Of(ctx.Err())
		}
	}
}
