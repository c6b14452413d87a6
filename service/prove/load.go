package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
)

// flatOut is the rate of a load that waits for nothing but the server.
var flatOut = math.Inf(1)

// load is a stream of observations: as many a second as rate says, each at its
// time, whatever became of those before.
type load struct {
	rate  float64 // observations per second
	began time.Time
}

// due is when the n-th observation, from 1, is to be sent; the present when
// there is no such time.
func (l load) due(n uint64) time.Time {
	if math.IsInf(l.rate, 1) {
		return time.Now()
	}
	return l.began.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
}

// run streams for span and returns how many it sent. note, which may be nil, is
// told when each was due.
func (l load) run(ctx context.Context, sess *engram.Session, span time.Duration, make func(n uint64) engram.Observation, note func(n uint64, due time.Time)) (uint64, error) {
	for n := uint64(1); ; n++ {
		due := l.due(n)
		if wait := time.Until(due); wait > time.Millisecond {
			time.Sleep(wait)
		}
		if time.Since(l.began) >= span {
			return n - 1, nil
		}
		if note != nil {
			note(n, due)
		}
		if _, err := sess.Observe(ctx, make(n)); err != nil {
			return n, err
		}
	}
}

// batching is how the streams that are measured batch.
func batching() engram.SessionOption {
	return engram.WithBatching(256, 1<<20, 2*time.Millisecond)
}

// saturation is what one stream reaches into a fresh space, in observations per
// second.
func saturation(c *engram.Client, span time.Duration) (float64, error) {
	ctx := context.Background()
	sess, err := c.OpenSession(ctx, "saturated", batching())
	if err != nil {
		return 0, err
	}
	data := vectors(20_000, 128)
	began := time.Now()
	n, err := load{flatOut, began}.run(ctx, sess, span, func(n uint64) engram.Observation {
		return engram.Observation{Vector: data[n%uint64(len(data))]}
	}, nil)
	if err != nil {
		return 0, err
	}
	if err := sess.Flush(ctx); err != nil {
		return 0, err
	}
	rate := float64(n) / time.Since(began).Seconds()
	if _, err := sess.Close(ctx); err != nil {
		return 0, err
	}
	_, err = c.DeleteSpace(ctx, "saturated")
	return rate, err
}

// spread is a set of durations, for their quantiles.
type spread []time.Duration

func (s spread) at(q float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	slices.Sort(s)
	return s[min(len(s)-1, int(q*float64(len(s))))]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000) }

// pair is p50 and p99 in one cell.
func (s spread) pair() string { return ms(s.at(.5)) + " / " + ms(s.at(.99)) }

// cores is how much processor time server and client took, in cores, since a
// moment.
type cores struct {
	of          *server
	began       time.Time
	server, own time.Duration
}

func coresOf(s *server) cores { return cores{s, time.Now(), s.cpu(), ownCPU()} }

func (c cores) taken() string {
	took := time.Since(c.began).Seconds()
	return fmt.Sprintf("%.2f + %.2f", (c.of.cpu()-c.server).Seconds()/took, (ownCPU()-c.own).Seconds()/took)
}
