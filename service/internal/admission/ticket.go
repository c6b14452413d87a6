package admission

import (
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// Ticket is the admission of one unary call.
type Ticket struct {
	m     *Monitor
	lane  memory.Lane
	items int
	bytes int64
}

// AdmitCall lets a call of n observations in, all or nothing.
func (m *Monitor) AdmitCall(l memory.Lane, n int, bytes int64) (*Ticket, *fault.Error) {
	var after later
	defer func() { after.run() }()
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.closed(); f != nil {
		return nil, f
	}
	if f := m.blocked(); f != nil {
		return nil, f
	}
	if !m.queue.Reserve(l, n, bytes) {
		return nil, m.full(l, n, bytes, &after)
	}
	m.lanes[l].items += n
	m.lanes[l].bytes += bytes
	m.judge(l, &after)
	return &Ticket{m: m, lane: l, items: n, bytes: bytes}, nil
}

// Release gives back the places of n observations that are decided, or came to
// nothing. No more comes back than was taken.
func (t *Ticket) Release(n int, bytes int64) {
	var after later
	defer func() { after.run() }()
	m := t.m
	m.mu.Lock()
	defer m.mu.Unlock()
	n, bytes = min(n, t.items), min(bytes, t.bytes)
	t.items -= n
	t.bytes -= bytes
	m.queue.Release(t.lane, n, bytes)
	m.lanes[t.lane].items -= n
	m.lanes[t.lane].bytes -= bytes
	m.drained(n)
	m.judge(t.lane, &after)
	m.serve(t.lane, &after)
}
