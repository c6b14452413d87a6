package clock_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/engram-stream/engram/service/internal/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSystemFollowsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c clock.Clock = clock.System{}
		start := c.Now()
		time.Sleep(3 * time.Second)
		if got := c.Now().Sub(start); got != 3*time.Second {
			t.Fatalf("moved by %v, want 3s", got)
		}
	})
}

func TestManual(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	m := clock.NewManual(start)
	if got := m.Now(); !got.Equal(start) {
		t.Fatalf("Now = %v, want %v", got, start)
	}
	if got, want := m.Advance(time.Hour), start.Add(time.Hour); !got.Equal(want) || !m.Now().Equal(want) {
		t.Fatalf("after Advance: %v, %v, want %v", got, m.Now(), want)
	}
	m.Set(start.Add(-time.Hour))
	if got, want := m.Now(), start.Add(-time.Hour); !got.Equal(want) {
		t.Fatalf("after Set back: %v, want %v", got, want)
	}
}

func TestManualConcurrent(t *testing.T) {
	var m clock.Manual
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				m.Advance(time.Second)
				m.Now()
			}
		})
	}
	wg.Wait()
	if got, want := m.Now(), (time.Time{}).Add(800*time.Second); !got.Equal(want) {
		t.Fatalf("Now = %v, want %v", got, want)
	}
}
