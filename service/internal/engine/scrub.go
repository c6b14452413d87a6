package engine

import (
	"context"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// maxDamage bounds the texts of damage that are remembered.
const maxDamage = 64

const (
	// scrubLook is how often it is asked whether a scrub is due.
	scrubLook = 30 * time.Second
	// scrubRate is how fast checksums are verified in the background, bytes/s.
	scrubRate = 32 << 20
)

// noteDamage reports damage to what is on disk, once.
func (e *Engine) noteDamage(err error) {
	text := err.Error()
	c := &e.checkpoints
	c.mu.Lock()
	known := slices.Contains(c.damage, text)
	if !known && len(c.damage) < maxDamage {
		c.damage = append(c.damage, text)
	}
	c.mu.Unlock()
	if !known {
		e.opts.Log.Error("damage on disk", "error", err)
	}
}

// keepScrubbing scrubs what is on disk, until the engine closes. It has a
// goroutine of its own: a scrub takes long, and rounds must not wait for it.
func (e *Engine) keepScrubbing() {
	defer e.housekeeping.Done()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer context.AfterFunc(e.stopping, cancel)()
	look := time.NewTicker(scrubLook)
	defer look.Stop()
	for {
		select {
		case <-e.stopping.Done():
			return
		case <-look.C:
			e.scrubIfDue(ctx)
		}
	}
}

// scrubIfDue verifies every checksum of the checkpoints once a day or so, so
// that damage is known before it is needed.
func (e *Engine) scrubIfDue(ctx context.Context) {
	every, c := e.opts.Checkpoint.ScrubEvery, &e.checkpoints
	if every < 0 {
		return
	}
	now := e.opts.Clock.Now()
	c.mu.Lock()
	if c.scrubbed.IsZero() {
		c.scrubbed = e.started
	}
	due := now.Sub(c.scrubbed) >= every
	if due {
		c.scrubbed = now
	}
	c.mu.Unlock()
	if due {
		e.scrub(ctx)
	}
}

func (e *Engine) scrub(ctx context.Context) {
	began := time.Now()
	l := rate.NewLimiter(scrubRate, 4<<20)
	blocks, damage := e.store.Scrub(ctx, func(n int) {
		_ = l.WaitN(ctx, min(n, l.Burst())) //nolint:errcheck // the scrub looks at ctx itself
	})
	for _, err := range damage {
		e.noteDamage(err)
	}
	e.opts.Log.Info("scrubbed the checkpoints", "blocks", blocks, "damaged", len(damage), "took", time.Since(began).Round(time.Millisecond))
}
