package admission

import (
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engram-stream/engram/service/internal/clock"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/queue"
)

const lanes = memory.LaneCount

// monitor makes one over a queue whose lanes hold so much each.
func monitor(items int, bytes int64, cfg Config) *Monitor {
	var q queue.Config
	for l := range q.Lanes {
		q.Lanes[l] = queue.Capacity{Items: items, Bytes: bytes}
	}
	return NewMonitor(cfg, queue.New(q))
}

func ignore(memory.Credits) {}

func TestLevelsAreToldInOrder(t *testing.T) {
	m := monitor(100, 1<<20, Config{})
	var told []Change
	m.Subscribe(func(c Change) {
		m.Pressure() // a callback may use the monitor
		told = append(told, c)
	})
	var tickets []*Ticket
	for range 97 {
		k, f := m.AdmitCall(memory.LaneNormal, 1, 10)
		if f != nil {
			t.Fatal(f)
		}
		tickets = append(tickets, k)
	}
	for _, k := range tickets {
		k.Release(1, 10)
	}
	var levels []Level
	var depths []int
	for _, c := range told {
		levels, depths = append(levels, c.Level), append(depths, c.Depth)
		if c.Lane != memory.LaneNormal || c.Cause == "" && c.Level != Normal || c.Capacity != 100 {
			t.Errorf("%+v", c)
		}
		if (c.Level >= Critical) != (c.RetryAfter > 0) {
			t.Errorf("level %d with retry after %v", c.Level, c.RetryAfter)
		}
	}
	if !slices.Equal(levels, []Level{Warning, Critical, Overloaded, Critical, Warning, Normal}) || !slices.Equal(depths, []int{60, 80, 95, 84, 70, 49}) {
		t.Errorf("levels %v at depths %v", levels, depths)
	}
	if got := m.Activations(); got != [4]uint64{0, 1, 1, 1} {
		t.Errorf("activations %v", got)
	}
}

func TestLanesArePressedApart(t *testing.T) {
	m := monitor(10, 1000, Config{})
	if _, f := m.AdmitCall(memory.LaneLow, 1, 900); f != nil {
		t.Fatal(f)
	}
	if s := m.State(memory.LaneLow); s.Level != Critical || s.Cause != "queue_bytes" {
		t.Errorf("low: %+v", s)
	}
	if s := m.State(memory.LaneHigh); s.Level != Normal {
		t.Errorf("high: %+v", s)
	}
	m.SetExternal("embedder", .7)
	if s := m.State(memory.LaneHigh); s.Level != Warning || s.Cause != "embedder" {
		t.Errorf("high with a pressed embedder: %+v", s)
	}
	if m.Level() != Critical || m.Pressure() != .9 {
		t.Errorf("overall: level %d at %v", m.Level(), m.Pressure())
	}
}

// TestOverloadedUntilThereIsRoom: a lane whose places are all granted refuses
// newcomers though nothing waits in it, and says so until that has changed.
func TestOverloadedUntilThereIsRoom(t *testing.T) {
	m := monitor(10, 1<<20, Config{})
	var a *Account
	for a == nil || m.queue.Free(memory.LaneLow).Items > 0 {
		a = m.Open(memory.LaneLow, Window{MaxItems: 4, MinItems: 4, MaxBytes: 1 << 20}, 1, ignore)
	}
	if _, f := m.AdmitCall(memory.LaneLow, 1, 1); f == nil {
		t.Fatal("admitted to a lane without room")
	}
	if s := m.State(memory.LaneLow); s.Level != Overloaded || s.Cause != "queue_items" || s.Pressure < .95 {
		t.Errorf("%+v", s)
	}
	a.Close()
	if s := m.State(memory.LaneLow); s.Level != Normal || s.Pressure != 0 {
		t.Errorf("with room again: %+v", s)
	}
}

// TestLastWordIsTheLatest: with many goroutines moving the level up and down,
// what a subscriber heard last is how things stand.
func TestLastWordIsTheLatest(t *testing.T) {
	m := monitor(20, 1<<20, Config{})
	var last Level // told one at a time: needs no lock of its own
	m.Subscribe(func(c Change) { last = c.Level })
	var busy sync.WaitGroup
	for range 8 {
		busy.Go(func() {
			for range 200 {
				if k, f := m.AdmitCall(memory.LaneHigh, 5, 1); f == nil {
					k.Release(5, 1)
				}
			}
		})
	}
	busy.Wait()
	if m.Level() != last {
		t.Errorf("the last word was %d, the level is %d", last, m.Level())
	}
	if r := m.queue.Stats().Lanes[memory.LaneHigh]; r.Reserved != 0 || r.ReservedBytes != 0 {
		t.Errorf("%d places and %d bytes are still reserved", r.Reserved, r.ReservedBytes)
	}
}

func TestPanickingCallbackLeavesTheMonitorUsable(t *testing.T) {
	m := monitor(10, 1000, Config{})
	told := 0
	m.Subscribe(func(Change) {
		if told++; told == 1 {
			panic("a subscriber's mistake")
		}
	})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		m.SetExternal("memory", .7)
	}()
	m.SetExternal("memory", 0)
	if told != 4 {
		t.Errorf("told %d times, want once with the panic and once for each lane", told)
	}
}

func TestCallRefusals(t *testing.T) {
	retry := func(code fault.Code, reason fault.Reason) *fault.Error { return fault.Retry(code, reason, 0, "") }
	cases := []struct {
		name  string
		setUp func(*Monitor)
		n     int
		want  *fault.Error
	}{
		{"full", func(m *Monitor) { _, _ = m.AdmitCall(memory.LaneNormal, 8, 8) }, 3, retry(fault.ResourceExhausted, fault.QueueFull)},
		{"too many for any lane", func(*Monitor) {}, 11, fault.New(fault.InvalidArgument, fault.TooLarge, "")},
		{"disk", func(m *Monitor) { m.SetExternal("disk", 1) }, 1, retry(fault.ResourceExhausted, fault.DiskPressure)},
		{"memory", func(m *Monitor) { m.SetExternal("memory", 1) }, 1, retry(fault.ResourceExhausted, fault.MemoryPressure)},
		{"draining", (*Monitor).Drain, 1, retry(fault.Unavailable, fault.Draining)},
		{"failed", func(m *Monitor) { m.Fail(retry(fault.Unavailable, fault.JournalFailed)) }, 1, retry(fault.Unavailable, fault.JournalFailed)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := monitor(10, 1000, Config{})
			c.setUp(m)
			_, f := m.AdmitCall(memory.LaneNormal, c.n, 5)
			if f == nil {
				t.Fatal("admitted")
			}
			if f.Code != c.want.Code || f.Reason != c.want.Reason || f.Retryable != c.want.Retryable {
				t.Errorf("%v %s retryable %v: %s", f.Code, f.Reason, f.Retryable, f)
			}
			if f.Reason == fault.QueueFull && !strings.Contains(f.Message, "normal lane has room for 2 of 10") {
				t.Errorf("text %q", f.Message)
			}
		})
	}
}

func TestRetryAfterFollowsTheDrain(t *testing.T) {
	now := clock.NewManual(time.Unix(1000, 0))
	m := monitor(1000, 1<<20, Config{Clock: now})
	drain := func(seconds, perTenth int) {
		for range seconds * 10 {
			now.Advance(100 * time.Millisecond)
			k, f := m.AdmitCall(memory.LaneNormal, perTenth, 1)
			if f != nil {
				t.Fatal(f)
			}
			k.Release(perTenth, 1)
		}
	}
	estimate := func(n int) time.Duration {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.retryAfter(n)
	}
	drain(20, 10) // a hundred a second
	if got := estimate(50); math.Abs(got.Seconds()-.5) > .05 {
		t.Errorf("50 places at 100/s come free in %v", got)
	}
	if got := estimate(1_000_000); got != maxRetry {
		t.Errorf("estimate %v is above the bound", got)
	}
	drain(20, 1000)
	if got := estimate(1); got != minRetry {
		t.Errorf("estimate %v is below the bound", got)
	}
	now.Advance(800 * time.Millisecond) // nothing drains any more
	if got := estimate(5000); got < time.Second {
		t.Errorf("estimate %v, though the drain stands still", got)
	}
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := monitor(10_000, 1<<24, Config{})
		var mu sync.Mutex
		var through memory.Sequence
		a := m.Open(memory.LaneNormal, Window{MaxItems: 1000, MinItems: 10, MaxBytes: 1 << 20}, 1, func(c memory.Credits) {
			mu.Lock()
			defer mu.Unlock()
			through = c.Through
		})
		defer a.Close()
		a.SetRate(100)
		sent := memory.Sequence(0)
		began := time.Now()
		for time.Since(began) < 10*time.Second { // a client that sends whatever it may
			mu.Lock()
			upTo := max(through, a.Credits().Through)
			mu.Unlock()
			if n := int(upTo - sent); n > 0 {
				if f := a.Admit(sent+1, n, 1); f != nil {
					t.Fatal(f)
				}
				sent = upTo
				a.Decided(sent, n, 1)
			}
			time.Sleep(10 * time.Millisecond) // the bubble's clock: it takes no time
		}
		if sent < 900 || sent > 1000+100+10 {
			t.Errorf("%d were sent in ten seconds at a ceiling of 100/s", sent)
		}
		a.SetRate(0)
		a.Pause()
		before := a.Credits().Through
		if n := int(before - sent); n > 0 {
			if f := a.Admit(sent+1, n, 1); f != nil {
				t.Errorf("refused inside the grant while paused: %v", f)
			}
			a.Decided(before, n, 1)
		}
		if got := a.Credits().Through; got != before {
			t.Errorf("the grant grew from %d to %d while paused", before, got)
		}
		a.Resume()
		if got := a.Credits().Through; got <= before || got != through {
			t.Errorf("after the pause the grant is %d, told was %d, before %d", got, through, before)
		}
	})
}
