package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
)

func errorsJoin(errs ...error) error { return errors.Join(errs...) }

func dial(s *server) (*engram.Client, error) { return engram.Dial(s.addr) }

func vectors(n, dim int) [][]float32 {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // data for a measurement
	out := make([][]float32, n)
	for i := range out {
		out[i] = make([]float32, dim)
		for j := range out[i] {
			out[i][j] = float32(r.NormFloat64())
		}
	}
	return out
}

// ownCPU is the processor time this process, the client, has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// streaming measures one session, flat out, until everything is acked VISIBLE.
func streaming(r *report, s *server, quick bool) error {
	r.linef("\n## One ObserveStream, acked VISIBLE\n")
	r.linef("Fresh space for each row; index threshold 10,000, so the graph is built beside. CPU is per observation.\n")
	r.linef("| dimension | observations | observations/s | server CPU | client CPU |")
	r.linef("|---|---|---|---|---|")
	c, err := dial(s)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx := context.Background()
	for _, dim := range []int{128, 384, 768} {
		n := 200_000 * 128 / dim
		if quick {
			n /= 10
		}
		data := vectors(min(n, 20_000), dim)
		server, own, began := s.cpu(), ownCPU(), time.Now()
		sess, err := c.OpenSession(ctx, fmt.Sprintf("dim-%d", dim), engram.WithBatching(256, 1<<20, 2*time.Millisecond))
		if err != nil {
			return err
		}
		for i := range n {
			if _, err := sess.Observe(ctx, engram.Observation{Vector: data[i%len(data)]}); err != nil {
				return err
			}
		}
		if err := sess.Flush(ctx); err != nil {
			return err
		}
		took := time.Since(began)
		per := func(d time.Duration) string { return fmt.Sprintf("%.1f µs", float64(d.Microseconds())/float64(n)) }
		r.linef("| %d | %d | %.0f | %s | %s |", dim, n, float64(n)/took.Seconds(), per(s.cpu()-server), per(ownCPU()-own))
		if _, err := sess.Close(ctx); err != nil {
			return err
		}
		// The next row is not to pay for this one's graph.
		if _, err := c.DeleteSpace(ctx, fmt.Sprintf("dim-%d", dim)); err != nil {
			return err
		}
	}
	return nil
}

// recalling measures recalls over the wire, at rest and beside a stream.
func recalling(r *report, s *server, quick bool) error {
	rows, asks := 50_000, 2000
	if quick {
		rows, asks = 5000, 200
	}
	c, err := dial(s)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx := context.Background()
	data := vectors(rows, 128)
	sess, err := c.OpenSession(ctx, "rest", engram.FlushTo(engram.Indexed))
	if err != nil {
		return err
	}
	for _, v := range data {
		if _, err := sess.Observe(ctx, engram.Observation{Vector: v}); err != nil {
			return err
		}
	}
	if err := sess.Flush(ctx); err != nil {
		return err
	}
	r.linef("\n## Recall over the wire, limit 10, %d × 128\n", rows)
	r.linef("| | p50 | p99 | max |")
	r.linef("|---|---|---|---|")
	cues := vectors(asks, 128)
	ask := func(opts ...engram.RecallOption) ([]time.Duration, error) {
		var took []time.Duration
		for _, v := range cues {
			began := time.Now()
			if _, err := c.Recall(ctx, "rest", engram.ByVector(v), opts...); err != nil {
				return nil, err
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		return took, nil
	}
	show := func(what string, d []time.Duration) {
		at := func(q float64) string {
			return fmt.Sprintf("%.2f ms", float64(d[min(len(d)-1, int(q*float64(len(d))))].Microseconds())/1000)
		}
		r.linef("| %s | %s | %s | %s |", what, at(.5), at(.99), at(1))
	}
	d, err := ask()
	if err != nil {
		return err
	}
	show("at rest, through the graph", d)
	if d, err = ask(engram.Exact()); err != nil {
		return err
	}
	show("at rest, exact", d)
	for _, rate := range []int{10_000, 20_000} {
		if d, err = beside(ctx, c, sess, data, cues, rate, quick); err != nil {
			return err
		}
		sp, err := c.GetSpace(ctx, "rest")
		if err != nil {
			return err
		}
		show(fmt.Sprintf("100 a second, beside a stream of %d/s into the same space (%d rows at the end, %d of them scanned)", rate, sp.Observations, sp.Unindexed), d)
		if err := sess.Flush(ctx); err != nil { // the next row starts with all in the graph
			return err
		}
	}
	r.linef("\nThe waiting time of a recall that was due while another was under way counts.")
	return nil
}

// beside streams at a rate for a while and asks a hundred times a second,
// whether or not the answer before has come: an open loop.
func beside(ctx context.Context, c *engram.Client, sess *engram.Session, data, cues [][]float32, rate int, quick bool) ([]time.Duration, error) {
	span := 10 * time.Second
	if quick {
		span = time.Second
	}
	began := time.Now()
	sent := make(chan error, 1)
	go func() {
		for i := 0; time.Since(began) < span; i++ {
			if wait := time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))); wait > time.Millisecond {
				time.Sleep(wait)
			}
			if _, err := sess.Observe(ctx, engram.Observation{Vector: data[i%len(data)]}); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	const every = 10 * time.Millisecond
	took := make([]time.Duration, int(span/every))
	answers := make(chan error, len(took))
	for i := range took {
		due := began.Add(time.Duration(i) * every)
		time.Sleep(time.Until(due))
		go func() {
			_, err := c.Recall(ctx, "rest", engram.ByVector(cues[i%len(cues)]))
			took[i] = time.Since(due)
			answers <- err
		}()
	}
	errs := []error{<-sent}
	for range took {
		errs = append(errs, <-answers)
	}
	slices.Sort(took)
	return took, errors.Join(errs...)
}
