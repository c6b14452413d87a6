package engram

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// Level is how far an observation has come.
type Level int

// The levels, in the order in which they are reached.
const (
	Accepted Level = iota + 1 // in memory: a crash may lose it
	Durable                   // on stable storage
	Visible                   // recall finds it
	Indexed                   // in the structure its space aims at
)

// Rejection says that one observation was not kept, for good.
type Rejection struct {
	Sequence uint64
	ID       string
	Reason   string
	Message  string
}

func rejectionOf(r *v1.Rejection) Rejection {
	return Rejection{Sequence: r.Sequence, ID: r.ObservationId, Reason: r.Reason, Message: r.Message}
}

// Observed is what became of a batch.
type Observed struct {
	// IDs has one element per observation.
	IDs        []string
	Generation uint64
	Duplicates int
	Rejections []Rejection // Sequence is the position, from 1; with InSession, the number
	// SessionID and NextSequence are where the session stands; see InSession.
	SessionID    string
	NextSequence uint64
}

// ObserveOption changes an Observe.
type ObserveOption func(*v1.ObserveRequest)

// WaitFor is how far the batch must have come before Observe returns; Visible
// without it.
func WaitFor(l Level) ObserveOption {
	return func(r *v1.ObserveRequest) { r.WaitFor = v1.AckLevel(l) }
}

// MustExist fails with NOT_FOUND in place of creating the space.
func MustExist() ObserveOption { return func(r *v1.ObserveRequest) { r.MustExist = true } }

// InSession numbers the batch on from first within a session, so that a retry
// applies nothing twice. With an empty id and first 1 a session is opened, and
// named in the answer; NextSequence is the first of the next batch.
func InSession(id string, first uint64) ObserveOption {
	return func(r *v1.ObserveRequest) { r.SessionId, r.FirstSequence = id, first }
}

// Observe takes a batch in one call. Retrying it is safe for observations with
// ids of their own, and with InSession; use a Session to stream. A span in ctx
// becomes the parent of the observations' traces.
func (c *Client) Observe(ctx context.Context, space string, batch []Observation, opts ...ObserveOption) (*Observed, error) {
	r := &v1.ObserveRequest{Space: space}
	for i := range batch {
		m, err := batch[i].toWire()
		if err != nil {
			return nil, err
		}
		inTrace(ctx, m)
		r.Observations = append(r.Observations, m)
	}
	for _, f := range opts {
		f(r)
	}
	m, err := c.memory.Observe(ctx, r)
	if err != nil {
		return nil, fromWire(err)
	}
	out := &Observed{IDs: m.ObservationIds, Generation: m.Generation, Duplicates: int(m.Duplicates), SessionID: m.SessionId, NextSequence: m.NextSequence}
	for _, x := range m.Rejections {
		out.Rejections = append(out.Rejections, rejectionOf(x))
	}
	return out, nil
}

// Stored is an observation as a space holds it.
type Stored struct {
	Observation
	Generation  uint64
	CommittedAt time.Time
	Quarantine  string // why it is kept from recall; empty if it is not
}

func storedOf(list []*v1.StoredObservation) []Stored {
	out := make([]Stored, len(list))
	for i, s := range list {
		out[i] = Stored{Observation: fromWireObservation(s.Observation), Generation: s.Generation, CommittedAt: moment(s.CommittedAt), Quarantine: s.QuarantineReason}
	}
	return out
}

// Get reads observations by id, with their vectors. missing are the ids that
// the space does not hold.
func (c *Client) Get(ctx context.Context, space string, ids ...string) (found []Stored, missing []string, err error) {
	m, err := c.memory.GetObservations(ctx, &v1.GetObservationsRequest{Space: space, Ids: ids})
	if err != nil {
		return nil, nil, fromWire(err)
	}
	return storedOf(m.Observations), m.MissingIds, nil
}

// List goes through the observations of a space in generation order, from the
// generation after since, all of one generation.
func (c *Client) List(ctx context.Context, space string, since uint64, filter *Filter) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		f, err := filter.toWire()
		if err != nil {
			yield(Stored{}, err)
			return
		}
		r := &v1.ListObservationsRequest{Space: space, PageSize: 500, SinceGeneration: since, Filter: f}
		for {
			m, err := c.memory.ListObservations(ctx, r)
			if err != nil {
				yield(Stored{}, fromWire(err))
				return
			}
			for _, s := range storedOf(m.Observations) {
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

// Forget deletes by id and returns how many there were.
func (c *Client) Forget(ctx context.Context, space string, ids ...string) (uint64, error) {
	return c.forget(ctx, &v1.ForgetRequest{Space: space, Ids: ids})
}

// ForgetWhere deletes what matches a filter, and returns how many there were.
func (c *Client) ForgetWhere(ctx context.Context, space string, filter Filter) (uint64, error) {
	f, err := filter.toWire()
	if err != nil {
		return 0, err
	}
	return c.forget(ctx, &v1.ForgetRequest{Space: space, Filter: f})
}

func (c *Client) forget(ctx context.Context, r *v1.ForgetRequest) (uint64, error) {
	m, err := c.memory.Forget(ctx, r)
	if err != nil {
		return 0, fromWire(err)
	}
	return m.Forgotten, nil
}

// WatchSpace yields the observations of a space as they become visible, from
// the generation after since; nil is from now on. It ends with ctx, or with an
// error that is yielded.
func (c *Client) WatchSpace(ctx context.Context, space string, since *uint64, filter *Filter) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		f, err := filter.toWire()
		if err != nil {
			yield(Stored{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		s, err := c.memory.WatchSpace(ctx, &v1.WatchSpaceRequest{Space: space, SinceGeneration: since, Filter: f})
		if err != nil {
			yield(Stored{}, fromWire(err))
			return
		}
		defer s.Close() //nolint:errcheck // ended by then, or broken off
		for {
			m, err := s.Receive()
			if ended(err) {
				return
			}
			if err != nil {
				yield(Stored{}, fromWire(err))
				return
			}
			for _, x := range storedOf(m.Observations) {
				if !yield(x, nil) {
					return
				}
			}
		}
	}
}

// ended reports whether a stream came to its end in good order.
func ended(err error) bool { return errors.Is(err, io.EOF) }
