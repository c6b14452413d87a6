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

// AdmitCall lets a call of n observations in, all or nothing. What would not
// fit into an empty lane is an error that no retry mends.
func (m *Monitor) AdmitCall(l memory.Lane, n int, bytes int64) (*Ticket, *fault.Error) {
	m.mu.Lock()
	defer m.unlock()
	if f := m.closed(); f != nil {
		return nil, f
	}
	if f := m.blocked(); f != nil {
		return nil, f
	}
	if c := m.queue.Capacity(l); n > c.Items || bytes > c.Bytes {
		return nil, fault.New(fault.InvalidArgument, fault.TooLarge,
			"the call has %d observations of %d bytes; the %s lane holds %d and %d", n, bytes, l, c.Items, c.Bytes).In("observations")
	}
	if !m.queue.Reserve(l, n, bytes) {
		return nil, m.full(l, n, bytes)
	}
	m.lanes[l].items += n
	m.lanes[l].bytes += bytes
	m.judge(l)
	return &Ticket{m: m, lane: l, items: n, bytes: bytes}, nil
}

// Release gives back the places of n observations that are decided, or came to
// nothing. No more comes back than was taken.
func (t *Ticket) Release(n int, bytes int64) {
	m := t.m
	m.mu.Lock()
	defer m.unlock()
	n, bytes = min(n, t.items), min(bytes, t.bytes)
	t.items -= n
	t.bytes -= bytes
	m.queue.Release(t.lane, n, bytes)
	m.lanes[t.lane].items -= n
	m.lanes[t.lane].bytes -= bytes
	m.drained(n)
	m.judge(t.lane)
	m.serve(t.lane)
}
