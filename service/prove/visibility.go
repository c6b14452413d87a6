package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
)

const (
	// askEvery is the least time between two acks that are asked after: the
	// recalls are to see the load, not to be it.
	askEvery = 10 * time.Millisecond
	// askers is how many recalls are under way at most.
	askers = 4
)

// seen is what asking after samples showed.
type seen struct {
	told
	durable spread // from when they were due to hearing DURABLE
	sent    uint64
	took    time.Duration
}

// seeing measures how long what is DURABLE stays unseen: from the moment a
// client hears the ack to the moment its recall has found the observation. A
// round trip is part of it, so it is an upper bound.
func seeing(r *report, s *server, quick bool) error {
	span := 10 * time.Second
	if quick {
		span = time.Second
	}
	c, err := dial(s)
	if err != nil {
		return err
	}
	defer c.Close()
	top, err := saturation(c, span/2)
	if err != nil {
		return err
	}
	r.linef("\n## From DURABLE to found, over the wire, 128-d\n")
	r.linef("Saturation is what one stream reaches into a fresh space in %v, client included: %.0f observations/s. The newest observation that an ack DURABLE covers is asked for at once when that is heard, by another process, until a recall finds it; at most one every %v. The p99 of the journal's fsync is of the whole run.\n", span/2, top, askEvery)
	r.linef("| load | observations/s reached | asked for | p50 | p99 | max | fsync p99 |")
	r.linef("|---|---|---|---|---|---|---|")
	var parts []string
	for _, at := range []struct {
		name string
		rate float64
	}{{"half", top / 2}, {"flat out", flatOut}} {
		space := "seen-" + strings.ReplaceAll(at.name, " ", "-")
		used := coresOf(s)
		v, err := visibility(c, s.addr, space, at.rate, span)
		if err != nil {
			return err
		}
		cores := used.taken()
		r.linef("| %s | %.0f | %d | %s | %s | %s | %s |", at.name, float64(v.sent)/v.took.Seconds(), len(v.Took), ms(v.Took.at(.5)), ms(v.Took.at(.99)), ms(v.Took.at(1)), fsync(s, .99))
		parts = append(parts, fmt.Sprintf("| %s | %s | %s | %s | %s | %d | %s | %s |", at.name, unseen(s, space), v.Asked.pair(), v.Inside.pair(), v.Waited.pair(), v.Again, v.durable.pair(), cores))
		if _, err := c.DeleteSpace(context.Background(), space); err != nil {
			return err
		}
	}
	r.linef("\nWhere that goes. What the server took from the end of the fsync to publishing the rows ends before DURABLE is told, so it is not part of the time above but of the time to DURABLE, which is counted from when an observation was due. All times are p50 / p99; what an ack needed to get from the process that streams to the one that asks is part of the time above.\n")
	r.linef("| load | in the server, fsync to published | the recall | in the server | before it, to the other process | asked again | due to DURABLE heard | cores of server + load |")
	r.linef("|---|---|---|---|---|---|---|---|")
	for _, row := range parts {
		r.linef("%s", row)
	}
	return nil
}

// visibility streams at a rate and has samples asked for as soon as they are
// DURABLE.
func visibility(c *engram.Client, addr, space string, rate float64, span time.Duration) (v *seen, err error) {
	ctx := context.Background()
	a, err := newAsker(addr)
	if err != nil {
		return nil, err
	}
	if err := a.begin(order{Space: space}); err != nil {
		return nil, errors.Join(err, a.drop())
	}
	v = &seen{}
	const ring = 1 << 16 // more than a session may have outstanding
	due := make([]time.Time, ring)
	var last time.Time
	var mu sync.Mutex // of what OnAck and this function share
	var errHeard error
	sess, err := c.OpenSession(ctx, space, batching(), engram.OnAck(func(l engram.Level, through, _ uint64) {
		now := time.Now()
		if l != engram.Durable {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		v.durable = append(v.durable, now.Sub(due[through%ring]))
		if now.Sub(last) < askEvery {
			return
		}
		errHeard = errors.Join(errHeard, a.heard(through, now))
		last = now
	}))
	if err != nil {
		return nil, errors.Join(err, a.drop())
	}
	data := vectors(dataRows, 128)
	began := time.Now()
	n, errLoad := load{rate, began}.run(ctx, sess, span, func(n uint64) engram.Observation {
		return engram.Observation{ID: fmt.Sprintf("%s-%d", space, n), Vector: marked(data, n)}
	}, func(n uint64, at time.Time) { due[n%ring] = at })
	v.sent, v.took = n, time.Since(began)
	errFlush := sess.Flush(ctx)
	_, errClose := sess.Close(ctx)
	var errEnd error
	v.told, errEnd = a.end()
	mu.Lock()
	defer mu.Unlock()
	if err := errors.Join(errLoad, errFlush, errClose, errHeard, errEnd); err != nil {
		return nil, err
	}
	if len(v.Took) == 0 {
		return nil, errors.New("nothing was asked for")
	}
	return v, nil
}

// marked is the n-th vector of a stream: a mixture of two rows, in a pair that
// does not come again, so that none is like another.
func marked(data [][]float32, n uint64) []float32 {
	rows := uint64(len(data))
	v, other := slices.Clone(data[n%rows]), data[(n+n/rows*marking)%rows]
	for i, x := range other {
		v[i] += .3 * x
	}
	return v
}

// marking is a prime that no number of rows here has as a factor.
const marking = 7919
