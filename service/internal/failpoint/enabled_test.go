//go:build failpoints

package failpoint_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engram-stream/engram/service/internal/failpoint"
)

func set(t *testing.T, name, spec string) {
	t.Helper()
	if err := failpoint.Set(name, spec); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(failpoint.Reset)
}

func TestErrorOnNthHit(t *testing.T) {
	set(t, failpoint.JournalSync, "error(gone)@2")
	for hit := 1; hit <= 3; hit++ {
		err := failpoint.Hit(failpoint.JournalSync)
		var injected *failpoint.InjectedError
		if got := errors.As(err, &injected); got != (hit == 2) {
			t.Fatalf("hit %d: %v", hit, err)
		}
	}
	if err := failpoint.Hit(failpoint.JournalWrite); err != nil {
		t.Fatalf("a point that is off: %v", err)
	}
}

func TestPanics(t *testing.T) {
	set(t, failpoint.WorkerItem, "panic(boom)")
	for _, name := range []string{failpoint.WorkerItem, "no.such.name"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Hit(%s) did not panic", name)
				}
			}()
			_ = failpoint.Hit(name)
		}()
	}
}

func TestDelayAndReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set(t, failpoint.EmbedCall, "delay(200ms)")
		start := time.Now()
		if err := failpoint.Hit(failpoint.EmbedCall); err != nil || time.Since(start) != 200*time.Millisecond {
			t.Fatalf("err %v after %v", err, time.Since(start))
		}
		set(t, failpoint.EmbedCall, "delay(1h)")
		done := make(chan struct{})
		start = time.Now()
		go func() { _ = failpoint.Hit(failpoint.EmbedCall); close(done) }()
		synctest.Wait()
		failpoint.Reset()
		<-done
		if time.Since(start) != 0 {
			t.Fatalf("Reset woke the hit after %v", time.Since(start))
		}
	})
}

func TestSetRefusesTypos(t *testing.T) {
	if failpoint.Set("jurnal.sync", "error") == nil || failpoint.Set(failpoint.JournalSync, "eror") == nil {
		t.Fatal("a typo was accepted")
	}
}
