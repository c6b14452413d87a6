package journal_test

import (
	"context"
	"crypto/rand"
	"sync"
	"testing"

	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
)

// BenchmarkAppend is the load of the design: 16 writers, 64 records of 3.2 KB a
// frame, a sync before every answer, on a real disk.
func BenchmarkAppend(b *testing.B) {
	const writers, records, recordBytes = 16, 64, 3200
	j, err := journal.Open(journal.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	payload := make([]byte, records*recordBytes)
	rand.Read(payload) //nolint:errcheck // documented never to fail
	b.SetBytes(int64(len(payload)))
	turns := make(chan struct{})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			f := &journal.Frame{Kind: journal.KindRows, Space: "bench", Generations: records, Payload: payload}
			f.Runs = []journal.Run{{Session: memory.SessionID("session-" + string(rune('a'+w))), Count: records}}
			for range turns {
				pos, err := j.Append(context.Background(), f)
				if err != nil {
					b.Error(err)
				}
				if err := j.Trim(pos &^ (1<<28 - 1)); err != nil { // keeps the disk from filling
					b.Error(err)
				}
			}
		})
	}
	for b.Loop() {
		turns <- struct{}{}
	}
	close(turns)
	wg.Wait()
	b.ReportMetric(float64(b.N*records)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(b.N)/float64(j.Usage().Syncs), "frames/sync")
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
}
