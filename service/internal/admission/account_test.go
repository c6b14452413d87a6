package admission

import (
	"testing"
	"time"

	"github.com/engram-stream/engram/service/internal/clock"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

func TestWindowIsEarnedAndLost(t *testing.T) {
	now := clock.NewManual(time.Unix(1000, 0))
	m := monitor(10_000, 1<<24, Config{Clock: now})
	a := m.Open(memory.LaneNormal, Window{MaxItems: 512, MinItems: 16, MaxBytes: 1 << 20}, 1, ignore)
	use := func() {
		c := a.Credits()
		n := int(c.Through + 1 - a.next)
		if f := a.Admit(a.next, n, int64(n)); f != nil {
			t.Fatal(f)
		}
		a.Decided(c.Through, n, int64(n))
	}
	if got := a.unspent(); got != 16 {
		t.Errorf("a new session may send %d, want 16", got)
	}
	for range 10 {
		use()
	}
	if got := a.unspent(); got != 512 {
		t.Errorf("a busy session may send %d, want its limit of 512", got)
	}
	now.Advance(time.Minute)
	use() // what was granted is kept
	if got := a.unspent(); got > 32 {
		t.Errorf("after a minute of silence it may send %d, want a small window again", got)
	}
}

func TestSharesLeaveRoom(t *testing.T) {
	m := monitor(1000, 1<<24, Config{})
	var all []*Account
	for range 20 {
		a := m.Open(memory.LaneNormal, Window{MaxItems: 1000, MinItems: 8, MaxBytes: 1 << 20}, 1, ignore)
		all = append(all, a)
		for range 12 { // each as greedy as it can be
			n := a.unspent()
			if f := a.Admit(a.next, n, int64(n)); f != nil {
				t.Fatal(f)
			}
			a.Decided(a.next-1, n, int64(n))
		}
	}
	for i, a := range all {
		if a.unspent() < 1 {
			t.Errorf("session %d has nothing", i)
		}
	}
	if _, f := m.AdmitCall(memory.LaneNormal, 50, 50); f != nil {
		t.Errorf("greedy sessions left no room for a call: %v", f)
	}
}

func TestOneMayAlwaysBeOutstanding(t *testing.T) {
	m := monitor(100, 100_000, Config{})
	a := m.Open(memory.LaneNormal, Window{MaxItems: 10, MinItems: 10, MaxBytes: 1 << 20}, 1, ignore)
	big := m.queue.Capacity(memory.LaneNormal).Bytes * 2
	if f := a.Admit(1, 1, big); f != nil {
		t.Fatalf("the only one was refused: %v", f)
	}
	if f := a.Admit(2, 1, 1); f == nil || f.Reason != fault.QueueFull {
		t.Fatalf("a second beside one over the bound: %v", f)
	}
	a.Decided(1, 1, big)
	if f := a.Admit(2, 2, 1000); f != nil {
		t.Errorf("refused after the large one was decided: %v", f)
	}
}

func TestDecidedTwiceCountsOnce(t *testing.T) {
	m := monitor(100, 1<<20, Config{})
	a := m.Open(memory.LaneNormal, Window{MaxItems: 10, MinItems: 10, MaxBytes: 1 << 20}, 1, ignore)
	if f := a.Admit(1, 6, 60); f != nil {
		t.Fatal(f)
	}
	a.Decided(4, 4, 40)
	a.Decided(4, 4, 40)
	a.Decided(2, 1, 10)
	if a.outstanding != 2 || a.bytes != 20 {
		t.Errorf("%d items and %d bytes are outstanding, want 2 and 20", a.outstanding, a.bytes)
	}
}

func TestGrantsReturnWhenTheDiskDoes(t *testing.T) {
	m := monitor(100, 1<<20, Config{})
	var told memory.Credits
	a := m.Open(memory.LaneNormal, Window{MaxItems: 10, MinItems: 10, MaxBytes: 1 << 20}, 1, func(c memory.Credits) { told = c })
	m.SetExternal("disk", 1)
	late := m.Open(memory.LaneNormal, Window{MaxItems: 10, MinItems: 10, MaxBytes: 1 << 20}, 1, ignore)
	if f := a.Admit(1, 10, 10); f != nil {
		t.Fatalf("refused inside the grant: %v", f)
	}
	if f := a.Admit(11, 1, 1); f == nil || f.Reason != fault.DiskPressure {
		t.Fatalf("beyond the grant: %v", f)
	}
	a.Decided(10, 10, 10)
	if a.Credits().Through != 10 || late.Credits().Through != 0 {
		t.Errorf("grants grew on a full disk: %d and %d", a.Credits().Through, late.Credits().Through)
	}
	m.SetExternal("disk", .2)
	if told.Through <= 10 || late.Credits().Through == 0 {
		t.Errorf("with room again: told %d, late has %d", told.Through, late.Credits().Through)
	}
}

func TestClosedAccountGivesWayToTheLine(t *testing.T) {
	m := monitor(4, 1<<20, Config{})
	open := func(onGrant func(memory.Credits)) *Account {
		return m.Open(memory.LaneNormal, Window{MaxItems: 4, MinItems: 4, MaxBytes: 1 << 20}, 1, onGrant)
	}
	a := open(ignore)
	if f := a.Admit(1, 4, 4); f != nil {
		t.Fatal(f)
	}
	var order []string
	open(func(memory.Credits) { order = append(order, "first") })
	open(func(memory.Credits) { order = append(order, "second") })
	a.Close()
	if len(order) != 0 {
		t.Fatalf("%v were served from places that are still held", order)
	}
	a.Unadmit(4, 4) // its last batch came to nothing
	if len(order) == 0 || order[0] != "first" {
		t.Errorf("served %v, want the first in line first", order)
	}
}

// TestOneCreditUnderPressure: a session whose least window is left at zero
// still gets a credit while the level is critical, or it would wait for ever.
func TestOneCreditUnderPressure(t *testing.T) {
	m := monitor(100, 1<<20, Config{})
	if _, f := m.AdmitCall(memory.LaneNormal, 88, 88); f != nil {
		t.Fatal(f)
	}
	if got := m.State(memory.LaneNormal).Level; got != Critical {
		t.Fatalf("the level is %v, want critical", got)
	}
	a := m.Open(memory.LaneNormal, Window{MaxItems: 10, MaxBytes: 1 << 20}, 1, ignore)
	if got := a.unspent(); got != 1 {
		t.Errorf("granted %d, want 1", got)
	}
}
