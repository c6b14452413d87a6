package engram

import (
	"context"
	"iter"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// ServerStatus is how a server is doing; see the contract for each field.
type ServerStatus = v1.ServerStatus

// MemoryStatus is what memory a server takes, by what takes it, and how that
// stands to its bounds; see the contract.
type MemoryStatus = v1.MemoryStatus

// IndexPolicyStatus is where an index policy is in force; [IndexPolicy] has the
// values of its policy.
type IndexPolicyStatus = v1.IndexPolicyStatus

// ResourceLevel is how memory or disk of a server stands to its watermarks.
type ResourceLevel = v1.ResourceLevel

// The levels. One that a newer server has is told as its number.
const (
	ResourceLevelUnknown  = v1.ResourceLevel_RESOURCE_LEVEL_UNSPECIFIED // the server is older than this program
	ResourceLevelOK       = v1.ResourceLevel_RESOURCE_LEVEL_OK
	ResourceLevelWarning  = v1.ResourceLevel_RESOURCE_LEVEL_WARNING  // filling up: clients are slowed down
	ResourceLevelRefusing = v1.ResourceLevel_RESOURCE_LEVEL_REFUSING // full: new observations are refused
)

// SessionInfo is what an operator sees of a session; see the contract.
type SessionInfo = v1.SessionInfo

// Status asks how the server is doing.
func (c *Client) Status(ctx context.Context) (*ServerStatus, error) {
	m, err := c.admin.GetStatus(ctx, &v1.GetStatusRequest{})
	if err != nil {
		return nil, fromWire(err)
	}
	return m.Status, nil
}

// WatchStatus yields the status again and again.
func (c *Client) WatchStatus(ctx context.Context, every time.Duration) iter.Seq2[*ServerStatus, error] {
	return func(yield func(*ServerStatus, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		s, err := c.admin.WatchStatus(ctx, &v1.WatchStatusRequest{Interval: durationpb.New(every)})
		if err != nil {
			yield(nil, fromWire(err))
			return
		}
		defer s.Close() //nolint:errcheck // ended by then, or broken off
		for {
			m, err := s.Receive()
			if ended(err) {
				return
			}
			if err != nil {
				yield(nil, fromWire(err))
				return
			}
			if !yield(m.Status, nil) {
				return
			}
		}
	}
}

// ListSessions goes through the sessions, of one space unless it is empty.
func (c *Client) ListSessions(ctx context.Context, space string) iter.Seq2[*SessionInfo, error] {
	return func(yield func(*SessionInfo, error) bool) {
		r := &v1.ListSessionsRequest{Space: space}
		for {
			m, err := c.admin.ListSessions(ctx, r)
			if err != nil {
				yield(nil, fromWire(err))
				return
			}
			for _, s := range m.Sessions {
				if !yield(s, nil) {
					return
				}
			}
			if r.PageToken = m.NextPageToken; r.PageToken == "" {
				return
			}
		}
	}
}

// CloseSession ends a session: its stream is told to go, and it cannot be
// resumed.
func (c *Client) CloseSession(ctx context.Context, id, reason string) (*SessionInfo, error) {
	m, err := c.admin.CloseSession(ctx, &v1.CloseSessionRequest{SessionId: id, Reason: reason})
	if err != nil {
		return nil, fromWire(err)
	}
	return m.Session, nil
}
