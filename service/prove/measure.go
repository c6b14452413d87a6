package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
)

func errorsJoin(errs ...error) error { return errors.Join(errs...) }

func dial(s *server) (*engram.Client, error) { return engram.Dial(s.addr) }

// vectors makes n rows of the kind embeddings are; see clustered.
func vectors(n, dim int) [][]float32 {
	g := newClustered(1, dim)
	out := make([][]float32, 0, n)
	for number := uint64(0); len(out) < n; number++ {
		rows := min(blockRows, n-len(out))
		for flat := g.block(1, number, rows); len(flat) > 0; flat = flat[dim:] {
			out = append(out, flat[:dim:dim])
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
