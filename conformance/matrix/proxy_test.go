package matrix

import (
	"errors"
	"net"
	"sync"
)

// proxy forwards connections to one server, and makes faults at known points. A
// library for faults by time or chance would not do: scripts wait for events.
//
// Owner: a cell, which closes it; close waits for its goroutines. mu guards what
// is below it; changed is closed and replaced on every change.
type proxy struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu       sync.Mutex
	changed  chan struct{}
	open     map[net.Conn]bool
	refusing bool
	stalled  bool
	ended    bool
	refused  int
	armed    map[string]int // bytes until the cut, by side
	cuts     int
}

func newProxy(target string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, target: target, changed: make(chan struct{}), open: map[net.Conn]bool{}, armed: map[string]int{}}
	p.running.Go(p.accept)
	return p, nil
}

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		refusing := p.refusing
		if refusing {
			p.refused++
			p.announce()
		}
		p.mu.Unlock()
		s, err := net.Dial("tcp", p.target)
		if refusing || err != nil {
			reset(c)
			if err == nil {
				reset(s)
			}
			continue
		}
		p.mu.Lock()
		p.open[c], p.open[s] = true, true
		p.mu.Unlock()
		p.running.Go(func() { p.copy(s, c, "client") })
		p.running.Go(func() { p.copy(c, s, "server") })
	}
}

// copy forwards one direction until either end leaves.
func (p *proxy) copy(to, from net.Conn, side string) {
	defer func() {
		p.mu.Lock()
		delete(p.open, to)
		delete(p.open, from)
		p.mu.Unlock()
		_, _ = to.Close(), from.Close() // either may be closed already
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil || !p.pass(side, n) {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// pass counts n bytes, waits while nothing is passed on, and reports whether
// they go on.
func (p *proxy) pass(side string, n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if left, armed := p.armed[side]; armed {
		if left > n {
			p.armed[side] = left - n
		} else {
			delete(p.armed, side)
			p.cutLocked()
			p.cuts++
			p.announce()
			return false
		}
	}
	for p.stalled && !p.ended {
		changed := p.changed
		p.mu.Unlock()
		<-changed
		p.mu.Lock()
	}
	return true
}

// announce wakes whoever waits; mu is held.
func (p *proxy) announce() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *proxy) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.announce()
}

func (p *proxy) cutLocked() {
	for c := range p.open {
		reset(c)
	}
	clear(p.open)
}

// await waits until something holds, or done is closed.
func (p *proxy) await(done <-chan struct{}, holds func() bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !holds() {
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
			p.mu.Lock()
		case <-done:
			p.mu.Lock()
			return errors.New("whoever waited has left")
		}
	}
	return nil
}

func (p *proxy) close() {
	p.change(func() { p.refusing, p.ended = true, true; p.cutLocked() })
	_ = p.listener.Close() // nothing is lost by it
	p.running.Wait()
}

// reset ends a connection as a network that breaks does.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}
