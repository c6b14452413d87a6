package space

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/engram-stream/engram/service/internal/memory"
)

// cpuSeconds is the processor time of the process, which others on the machine
// disturb less than the time of day.
func cpuSeconds(b *testing.B) float64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return float64(t.Nano()) / 1e9
}

// BenchmarkMetrics fills a space with rows of each kind under each metric and
// reports recall@10 at three efforts, the rows visited at the least of them that
// is not the default, and rows indexed a second of processor time, codes
// included. It is the mean over so many seeds:
//
//	go test -run - -bench Metrics -benchtime 10x ./service/internal/space
func BenchmarkMetrics(b *testing.B) {
	for _, rows := range []int{4096, 16_384} {
		for _, kind := range sources {
			for _, metric := range []memory.Metric{memory.MetricDot, memory.MetricCosine, memory.MetricEuclidean} {
				b.Run(fmt.Sprintf("%s/%d/%s", kind.name, rows, metric), func(b *testing.B) { benchRecall(b, kind, metric, rows) })
			}
		}
	}
}

func benchRecall(b *testing.B, kind source, metric memory.Metric, rows int) {
	efforts := []int{20, 40, 0}
	found, visited, took, least := make([]float64, len(efforts)), 0.0, 0.0, 1.0
	runs := uint64(0)
	for b.Loop() {
		runs++
		next := kind.make(rand.New(rand.NewPCG(runs, 9)))
		w := newWorld(Settings{Dimension: kind.dim, Metric: metric, IndexThreshold: 0, M: 16, EfConstruction: 100})
		w.grow(rows, func(int) []float32 { return next() })
		began := cpuSeconds(b)
		for w.WantsIndexing() {
			w.Index(1<<14, func() bool { return true })
		}
		took += cpuSeconds(b) - began
		const asked = 100
		hits := make([]int, len(efforts))
		for range asked {
			q := Question{Vector: next(), Limit: 10, Exact: true}
			best := names(w.question(b, w.Current(), &q))
			q.Exact = false
			for i, effort := range efforts {
				q.Effort = effort
				a, err := w.Recall(w.Current(), &q)
				if err != nil {
					b.Fatal(err)
				}
				hits[i] += common(names(a.Hits), best)
				if i == 1 {
					visited += float64(a.Visited) / asked
				}
			}
		}
		for i := range efforts {
			share := float64(hits[i]) / (10 * asked)
			found[i] += share
			if efforts[i] == 0 {
				least = min(least, share)
			}
		}
	}
	for i, effort := range efforts {
		if effort == 0 {
			effort = defaultEffort
		}
		b.ReportMetric(found[i]/float64(runs), fmt.Sprintf("recall@%d", effort))
	}
	b.ReportMetric(least, "least")
	b.ReportMetric(visited/float64(runs), "visited@40")
	b.ReportMetric(float64(rows)*float64(runs)/took, "inserts/cpu-s")
	b.ReportMetric(0, "ns/op")
}
