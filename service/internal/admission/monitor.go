package admission

import (
	"sync"
	"time"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/queue"
)

// Bounds of advice.
const (
	minRetry  = 10 * time.Millisecond
	maxRetry  = 5 * time.Second
	rateDecay = time.Second // time over which the drain rate is averaged
)

// Monitor is the backpressure monitor: it owns the places of the queue. All
// methods may be called from any goroutine. It runs no goroutine of its own.
type Monitor struct {
	cfg   Config
	queue *queue.ObservationQueue

	mu       sync.Mutex
	lanes    [memory.LaneCount]lane
	external map[string]float64
	draining bool
	failed   *fault.Error
	watch    []func(Change)
	raised   [Overloaded + 1]uint64
	news     news

	// decided counts since rateAt, for the drain rate.
	decided float64
	rate    float64 // observations a second
	rateAt  time.Time
}

// lane is the state of one lane.
type lane struct {
	items    int   // admitted and not decided
	bytes    int64 // their encoded bytes
	level    Level
	cause    string
	short    queue.Capacity // room that was asked for in vain; zero is none
	accounts int            // open
	waiting  []*Account     // in line for a first credit
}

// NewMonitor makes a monitor over a queue, whose ledger it owns from here on.
func NewMonitor(cfg Config, q *queue.ObservationQueue) *Monitor {
	cfg = cfg.withDefaults()
	return &Monitor{cfg: cfg, queue: q, external: map[string]float64{}, rateAt: cfg.Clock.Now()}
}

// Subscribe adds a callback for changes of level. Subscribe before use.
func (m *Monitor) Subscribe(f func(Change)) {
	m.mu.Lock()
	m.watch = append(m.watch, f)
	m.mu.Unlock()
}

// SetExternal tells of pressure from elsewhere (disk, memory, embedder), 0..1,
// on all lanes. At 1 nothing beyond the grants is admitted or granted.
func (m *Monitor) SetExternal(cause string, pressure float64) {
	m.mu.Lock()
	defer m.unlock()
	if m.external[cause] == pressure {
		return
	}
	m.external[cause] = pressure
	for l := range m.lanes {
		m.judge(memory.Lane(l))
		m.serve(memory.Lane(l))
	}
}

// Pressure is that of the fullest lane, 0..1.
func (m *Monitor) Pressure() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := 0.0
	for l := range m.lanes {
		v, _ := m.pressure(memory.Lane(l))
		p = max(p, v)
	}
	return p
}

// Level is that of the most pressed lane.
func (m *Monitor) Level() Level {
	m.mu.Lock()
	defer m.mu.Unlock()
	return max(m.lanes[0].level, m.lanes[1].level, m.lanes[2].level)
}

// Activations counts how often each level was reached from below.
func (m *Monitor) Activations() [Overloaded + 1]uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.raised
}

// Drain ends admission for good: the server is shutting down.
func (m *Monitor) Drain() {
	m.mu.Lock()
	m.draining = true
	m.mu.Unlock()
}

// Fail ends admission for good: the journal failed.
func (m *Monitor) Fail(f *fault.Error) {
	m.mu.Lock()
	if m.failed == nil {
		m.failed = f
	}
	m.mu.Unlock()
}

// closed is why nothing at all is admitted; nil while something may be.
func (m *Monitor) closed() *fault.Error {
	switch {
	case m.failed != nil:
		return m.failed
	case m.draining:
		return fault.Retry(fault.Unavailable, fault.Draining, time.Second, "the server is shutting down; come back in a moment")
	}
	return nil
}

// blocked is why nothing beyond the grants is admitted; nil when there is no
// such reason beside the room there is.
func (m *Monitor) blocked() *fault.Error {
	for _, c := range []struct {
		cause  string
		reason fault.Reason
	}{{"disk", fault.DiskPressure}, {"memory", fault.MemoryPressure}} {
		if m.external[c.cause] >= 1 {
			return fault.Retry(fault.ResourceExhausted, c.reason, maxRetry, "the %s watermark is reached; new observations are refused until there is room", c.cause)
		}
	}
	return nil
}

// pressure is how full a lane is, and by what.
func (m *Monitor) pressure(l memory.Lane) (float64, string) {
	capacity, ln := m.queue.Capacity(l), &m.lanes[l]
	p, cause := float64(ln.items)/float64(capacity.Items), "queue_items"
	if b := float64(ln.bytes) / float64(capacity.Bytes); b > p {
		p, cause = b, "queue_bytes"
	}
	if m.isShort(l) && p < m.cfg.Overloaded {
		p = m.cfg.Overloaded
	}
	for c, v := range m.external {
		if v > p {
			p, cause = v, c
		}
	}
	return min(p, 1), cause
}

// isShort tells whether something was refused for want of room and the room
// is still not there: places that are granted are taken, used or not.
func (m *Monitor) isShort(l memory.Lane) bool {
	ln, free := &m.lanes[l], m.queue.Free(l)
	if free.Items >= ln.short.Items && free.Bytes >= ln.short.Bytes {
		ln.short = queue.Capacity{}
	}
	return ln.short != queue.Capacity{}
}

// judge sees whether the level of a lane changed.
func (m *Monitor) judge(l memory.Lane) {
	p, cause := m.pressure(l)
	m.setLevel(l, m.cfg.next(m.lanes[l].level, p), cause, p)
}

// State is how a lane stands, in the form of its last change.
func (m *Monitor) State(l memory.Lane) Change {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, _ := m.pressure(l)
	return m.change(l, p)
}

func (m *Monitor) setLevel(l memory.Lane, level Level, cause string, p float64) {
	ln := &m.lanes[l]
	if level == ln.level {
		return
	}
	if level > ln.level {
		m.raised[level]++
	}
	ln.level, ln.cause = level, cause
	c := m.change(l, p)
	m.news.changes[l] = &c
}

func (m *Monitor) change(l memory.Lane, p float64) Change {
	ln := &m.lanes[l]
	c := Change{
		Lane: l, Level: ln.level, Cause: ln.cause, Pressure: p, Depth: ln.items, Capacity: m.queue.Capacity(l).Items, SuggestedBatch: suggestedBatch(ln.level),
	}
	if ln.level >= Critical {
		c.RetryAfter = m.retryAfter(ln.items / 4)
	}
	return c
}

func suggestedBatch(l Level) int { return [...]int{64, 64, 32, 16}[l] }

// retryAfter estimates when n places will have come free.
func (m *Monitor) retryAfter(n int) time.Duration {
	m.drained(0) // a drain that stands still must show
	if m.rate < 1 {
		return 50 * time.Millisecond
	}
	return min(max(time.Duration(float64(n)/m.rate*float64(time.Second)), minRetry), maxRetry)
}

// drained counts decided observations into the drain rate.
func (m *Monitor) drained(n int) {
	m.decided += float64(n)
	now := m.cfg.Clock.Now()
	if d := now.Sub(m.rateAt); d >= rateDecay/10 {
		fresh := m.decided / d.Seconds()
		weight := min(1, d.Seconds()/rateDecay.Seconds())
		m.rate += (fresh - m.rate) * weight
		m.decided, m.rateAt = 0, now
	}
}

// full is the refusal for want of room.
func (m *Monitor) full(l memory.Lane, n int, bytes int64) *fault.Error {
	free, capacity := m.queue.Free(l), m.queue.Capacity(l)
	// A tenth of the lane is room enough, whatever was asked for.
	m.lanes[l].short = queue.Capacity{
		Items: min(n, max(1, capacity.Items/reserveShare)), Bytes: min(bytes, max(1, capacity.Bytes/reserveShare)),
	}
	m.judge(l)
	return fault.Retry(fault.ResourceExhausted, fault.QueueFull, m.retryAfter(n),
		"the %s lane has room for %d of %d observations and %d of %d bytes; %d observations of %d bytes came beyond the grant",
		l, free.Items, capacity.Items, free.Bytes, capacity.Bytes, n, bytes)
}
