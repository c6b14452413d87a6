package admission

import "github.com/engram-stream/engram/service/internal/memory"

// news is what subscribers and accounts have not been told yet. It holds the
// latest of each only, so it is bounded by the lanes and the open accounts.
type news struct {
	changes [memory.LaneCount]*Change
	grown   []*Account
	telling bool
}

// unlock gives the mutex up and tells what is new. One goroutine tells at a
// time, so nobody hears an older state after a newer one; what comes up
// meanwhile, from others or from the callbacks themselves, is told by it too.
func (m *Monitor) unlock() {
	if m.news.telling {
		m.mu.Unlock()
		return
	}
	m.news.telling = true
	defer func() {
		m.news.telling = false
		m.mu.Unlock()
	}()
	for {
		tell := m.take()
		if tell == nil {
			return
		}
		m.outside(tell)
	}
}

// outside runs f without the mutex, which is held again afterwards even if f
// panics.
func (m *Monitor) outside(f func()) {
	m.mu.Unlock()
	defer m.mu.Lock()
	f()
}

// take removes one piece of news; nil when there is none.
func (m *Monitor) take() func() {
	for l, c := range m.news.changes {
		if c != nil {
			m.news.changes[l] = nil
			watch := m.watch
			return func() {
				for _, f := range watch {
					f(*c)
				}
			}
		}
	}
	if n := len(m.news.grown); n > 0 {
		a := m.news.grown[0]
		m.news.grown[0] = nil
		if m.news.grown = m.news.grown[1:]; n == 1 {
			m.news.grown = nil
		}
		a.untold = false
		c := a.credits()
		return func() { a.onGrant(c) }
	}
	return nil
}
