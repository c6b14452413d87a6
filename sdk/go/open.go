package engram

import (
	"context"
	"log/slog"

	"connectrpc.com/connect/v2"
)

// remember notes a session that is open; it fails when the client is closed.
func (c *Client) remember(s *Session) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	if c.sessions == nil {
		c.sessions = map[*Session]struct{}{}
	}
	c.sessions[s] = struct{}{}
	return nil
}

// letGo drops a session that is over.
func (c *Client) letGo(s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, s)
}

// Close ends the client: calls under way fail, later ones return ErrClosed. Sessions are closed by
// themselves, before; one that is left open is given up where it stands, as if
// Detach had been broken off, and logged as a warning if it holds observations
// that are not known to be kept.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	left := make([]*Session, 0, len(c.sessions))
	for s := range c.sessions {
		left = append(left, s)
	}
	c.mu.Unlock()
	for _, s := range left {
		s.abandon()
	}
	c.http.CloseIdleConnections()
	c.conns.close()
}

// abandon gives the session up where it stands.
func (s *Session) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.window.len(); n > 0 && s.err == nil {
		slog.Warn("engram: a session was left open with observations that are not known to be kept", "session", s.id, "space", s.space, "observations", n)
	}
	s.leave()
}

// whileOpen refuses the calls of a client that was closed.
func (c *Client) whileOpen(next connect.ClientFunc) connect.ClientFunc {
	return func(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
		c.mu.Lock()
		closed := c.closed
		c.mu.Unlock()
		if closed {
			return nil, ErrClosed
		}
		return next(ctx, spec)
	}
}
