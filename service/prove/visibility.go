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
	askers   = 4
	// tooLate is how long an ack may lie in the client before somebody asks after
	// it; one that lay longer is left out, and counted.
	tooLate = 5 * time.Millisecond
)

// seen is what asking after samples showed.
type seen struct {
	mu      sync.Mutex
	found   spread // from hearing DURABLE to having the answer
	waited  spread // of it, in the client until an asker was free
	asked   spread // of it, the recall that found it
	inside  spread // of that, in the server
	again   int    // that were not found at first
	late    int    // left out
	durable spread // from when they were due to hearing DURABLE
	sent    uint64
	took    time.Duration
	err     error
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
	r.linef("Saturation is what one stream reaches into a fresh space in %v, client included: %.0f observations/s. The newest observation that an ack DURABLE covers is asked for at once when that is heard, on the same connection, until a recall finds it; at most one every %v. The p99 of the journal's fsync is of the whole run.\n", span/2, top, askEvery)
	r.linef("| load | observations/s reached | asked for | p50 | p99 | max | fsync p99 |")
	r.linef("|---|---|---|---|---|---|---|")
	var parts []string
	for _, at := range []struct {
		name string
		rate float64
	}{{"half", top / 2}, {"flat out", flatOut}} {
		space := "seen-" + strings.ReplaceAll(at.name, " ", "-")
		used := coresOf(s)
		v, err := visibility(c, space, at.rate, span)
		if err != nil {
			return err
		}
		cores := used.taken()
		r.linef("| %s | %.0f | %d | %s | %s | %s | %s |", at.name, float64(v.sent)/v.took.Seconds(), len(v.found), ms(v.found.at(.5)), ms(v.found.at(.99)), ms(v.found.at(1)), fsync(s, .99))
		parts = append(parts, fmt.Sprintf("| %s | %s | %s | %s | %s | %d | %d | %s | %s |", at.name, unseen(s, space), v.asked.pair(), v.inside.pair(), v.waited.pair(), v.again, v.late, v.durable.pair(), cores))
		if _, err := c.DeleteSpace(context.Background(), space); err != nil {
			return err
		}
	}
	r.linef("\nWhere that goes. What the server took from the end of the fsync to publishing the rows ends before DURABLE is told, so it is not part of the time above but of the time to DURABLE, which is counted from when an observation was due. All times are p50 / p99; what an ack lay in the client before one of %d askers took it up is part of the time above, and samples that lay longer than %v are left out.\n", askers, tooLate)
	r.linef("| load | in the server, fsync to published | the recall | in the server | in the client before it | asked again | left out | due to DURABLE heard | cores of server + client |")
	r.linef("|---|---|---|---|---|---|---|---|---|")
	for _, row := range parts {
		r.linef("%s", row)
	}
	return nil
}

// ack is an ack DURABLE as it was heard.
type ack struct {
	through uint64
	at      time.Time
}

// visibility streams at a rate and asks for samples as soon as they are
// DURABLE.
func visibility(c *engram.Client, space string, rate float64, span time.Duration) (*seen, error) {
	ctx := context.Background()
	acks := make(chan ack, 64)
	v := &seen{}
	const ring = 1 << 16 // more than a session may have outstanding
	due := make([]time.Time, ring)
	var last time.Time
	sess, err := c.OpenSession(ctx, space, batching(), engram.OnAck(func(l engram.Level, through, _ uint64) {
		now := time.Now()
		if l != engram.Durable {
			return
		}
		v.mu.Lock()
		v.durable = append(v.durable, now.Sub(due[through%ring]))
		v.mu.Unlock()
		if now.Sub(last) < askEvery {
			return
		}
		select {
		case acks <- ack{through, now}:
			last = now
		default: // all askers are busy, and so many wait: counted there
		}
	}))
	if err != nil {
		return nil, err
	}
	data := vectors(20_000, 128)
	var asking sync.WaitGroup
	for range askers {
		asking.Add(1)
		go func() {
			defer asking.Done()
			for a := range acks {
				v.ask(ctx, c, space, a, marked(data, a.through))
			}
		}()
	}
	began := time.Now()
	v.sent, err = load{rate, began}.run(ctx, sess, span, func(n uint64) engram.Observation {
		return engram.Observation{ID: fmt.Sprintf("%s-%d", space, n), Vector: marked(data, n)}
	}, func(n uint64, at time.Time) { due[n%ring] = at })
	v.took = time.Since(began)
	if err != nil {
		return nil, err
	}
	if err := sess.Flush(ctx); err != nil {
		return nil, err
	}
	if _, err := sess.Close(ctx); err != nil {
		return nil, err
	}
	close(acks)
	asking.Wait()
	if len(v.found) == 0 {
		v.err = errors.Join(v.err, errors.New("nothing was asked for"))
	}
	return v, v.err
}

// ask asks for the observation of an ack until it is found.
func (v *seen) ask(ctx context.Context, c *engram.Client, space string, a ack, cue []float32) {
	waited := time.Since(a.at)
	if waited > tooLate { // what would be measured is this program
		v.mu.Lock()
		v.late++
		v.mu.Unlock()
		return
	}
	id := fmt.Sprintf("%s-%d", space, a.through)
	for try := 0; ; try++ {
		began := time.Now()
		found, err := c.Recall(ctx, space, engram.ByVector(cue), engram.Limit(1))
		if err == nil && (len(found.Results) == 0 || found.Results[0].Observation.ID != id) {
			continue
		}
		now := time.Now()
		v.mu.Lock()
		defer v.mu.Unlock()
		if err != nil {
			v.err = errors.Join(v.err, err)
			return
		}
		v.found, v.waited = append(v.found, now.Sub(a.at)), append(v.waited, waited)
		v.asked, v.inside = append(v.asked, now.Sub(began)), append(v.inside, found.Took)
		if try > 0 {
			v.again++
		}
		return
	}
}

// marked is the n-th vector of a stream: none is like another.
func marked(data [][]float32, n uint64) []float32 {
	v := slices.Clone(data[n%uint64(len(data))])
	v[0] += float32(n/uint64(len(data))) + 1
	return v
}
