package engram

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// pace is how reconnecting slows down, over all streams that brought nothing.
type pace struct {
	*backoff.ExponentialBackOff
	deadline time.Time
	fresh    bool // the first try is made at once
}

const maxBackoff = 5 * time.Second

// next is the pace of one more reconnect. After a stream that was of use it
// begins anew, and the first try is made at once.
func (p *pace) next(limit time.Duration, useful bool) *pace {
	if p.ExponentialBackOff != nil && !useful {
		p.fresh = false
		return p
	}
	b := backoff.NewExponentialBackOff()
	// A factor of 1 is full jitter: anything from 0 to twice the interval.
	b.InitialInterval, b.MaxInterval, b.RandomizationFactor = 50*time.Millisecond, maxBackoff, 1
	*p = pace{b, time.Now().Add(limit), true}
	return p
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
