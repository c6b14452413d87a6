package admission

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engram-stream/engram/service/internal/memory"
)

// TestByteWindowComesWithRoom: who came while the lane was full of bytes, and
// so may send but one observation at a time, is not held to that for life.
func TestByteWindowComesWithRoom(t *testing.T) {
	m := monitor(10_000, 1<<20, Config{})
	k, f := m.AdmitCall(memory.LaneNormal, 1, 1<<20)
	if f != nil {
		t.Fatal(f)
	}
	a := m.Open(memory.LaneNormal, Window{MaxItems: 64, MinItems: 8, MaxBytes: 256 << 10}, 1, ignore)
	if got := a.Credits().Bytes; got != 0 {
		t.Fatalf("a full lane granted %d bytes", got)
	}
	k.Release(1, 1<<20)
	for s := memory.Sequence(1); s <= 100; s++ {
		if f := a.Admit(s, 1, 1000); f != nil {
			t.Fatal(f)
		}
		a.Decided(s, 1, 1000)
	}
	if got := a.Credits().Bytes; got < minWindowBytes {
		t.Errorf("with an empty lane it may have %d bytes outstanding, want at least %d", got, minWindowBytes)
	}
	a.Close()
	if free := m.queue.Free(memory.LaneNormal); free != m.queue.Capacity(memory.LaneNormal) {
		t.Errorf("places are missing after the end: %+v", free)
	}
}

// TestUnusedWindowStays: the smallest window, too, has to be used to grow.
func TestUnusedWindowStays(t *testing.T) {
	m := monitor(100, 1<<20, Config{})
	a := m.Open(memory.LaneNormal, Window{MaxItems: 64, MinItems: 1, MaxBytes: 1 << 20}, 1, ignore)
	for range 5 {
		a.Resume() // looks whether the grant can grow
	}
	if got := a.Credits().Through; got != 1 {
		t.Errorf("without having sent anything it may send %d, want 1", got)
	}
}

// TestLateTimerDoesNothing: a pace's timer that fired just as it was replaced
// must not put the new one out of sight, or Close could not stop it.
func TestLateTimerDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := monitor(100, 1<<20, Config{})
		a := m.Open(memory.LaneNormal, Window{MaxItems: 8, MinItems: 1, MaxBytes: 1 << 20}, 1, ignore)
		a.SetRate(.1)
		if f := a.Admit(1, 1, 1); f != nil {
			t.Fatal(f)
		}
		a.Decided(1, 1, 1)
		late := a.pace.turn
		a.SetRate(.2)
		current := a.pace.timer
		if current == nil {
			t.Fatal("nothing will wake a session that waits for its pace")
		}
		a.retryPace(late)
		if a.pace.timer != current {
			t.Error("a timer that came too late replaced the current one")
		}
		a.Close()
		if current.Stop() || a.pace.timer != nil {
			t.Error("a timer outlives its account")
		}
	})
}

// TestSlowPaceIsNoStop: a ceiling below one credit a second still grants some.
func TestSlowPaceIsNoStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := monitor(100, 1<<20, Config{})
		var told atomic.Uint64
		a := m.Open(memory.LaneNormal, Window{MaxItems: 8, MinItems: 1, MaxBytes: 1 << 20}, 1, func(c memory.Credits) { told.Store(uint64(c.Through)) })
		defer a.Close()
		a.SetRate(.25)
		if f := a.Admit(1, 1, 1); f != nil {
			t.Fatal(f)
		}
		a.Decided(1, 1, 1)
		time.Sleep(5 * time.Second) // the bubble's clock: it takes no time
		if got := told.Load(); got != 2 {
			t.Errorf("after five seconds at one credit in four, the grant goes to %d, want 2", got)
		}
	})
}
