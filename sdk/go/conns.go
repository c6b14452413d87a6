package engram

import (
	"context"
	"net"
	"sync"
)

// conns are the connections of a client. The transport closes only those that
// are idle when it is asked, and a stream that was broken off keeps its own busy
// for a moment longer: what a closed client leaves would stay for minutes.
type conns struct {
	mu     sync.Mutex
	open   map[*conn]struct{}
	closed bool
}

type conn struct {
	net.Conn
	all *conns
}

// dial opens a connection and notes it.
func (s *conns) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	raw, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := &conn{raw, s}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = raw.Close() //nolint:errcheck // nobody wants it any more
		return nil, ErrClosed
	}
	if s.open == nil {
		s.open = map[*conn]struct{}{}
	}
	s.open[c] = struct{}{}
	return c, nil
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.all.mu.Lock()
	delete(c.all.open, c)
	c.all.mu.Unlock()
	return c.Conn.Close()
}

// close ends all connections.
func (s *conns) close() {
	s.mu.Lock()
	s.closed = true
	left := make([]*conn, 0, len(s.open))
	for c := range s.open {
		left = append(left, c)
	}
	s.mu.Unlock()
	for _, c := range left {
		_ = c.Close() //nolint:errcheck // it is given up
	}
}
