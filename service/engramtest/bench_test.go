package engramtest_test

import (
	"context"
	"testing"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
	"github.com/engram-stream/engram/service/engramtest"
)

// BenchmarkObserveVisible streams 128-d vectors over one ObserveStream until
// all are acked VISIBLE, client and server on one machine:
//
//	go test -run '^$' -bench ObserveVisible -benchtime 200000x ./service/engramtest
func BenchmarkObserveVisible(b *testing.B) {
	s := engramtest.Start(b)
	c, err := engram.Dial(s.Addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	sess, err := c.OpenSession(ctx, "bench")
	if err != nil {
		b.Fatal(err)
	}
	vectors := make([][]float32, 1000)
	for i := range vectors {
		vectors[i] = oneHot(i, 128)
	}
	b.ReportAllocs()
	i, began := 0, time.Now()
	for b.Loop() {
		if _, err := sess.Observe(ctx, engram.Observation{Vector: vectors[i%len(vectors)]}); err != nil {
			b.Fatal(err)
		}
		i++
	}
	if err := sess.Flush(ctx); err != nil {
		b.Fatal(err)
	}
	// By a clock of its own: that of b stops before the flush.
	b.ReportMetric(float64(i)/time.Since(began).Seconds(), "observations/s")
	if _, err := sess.Close(ctx); err != nil {
		b.Fatal(err)
	}
}
