package rpc

import (
	"context"
	"errors"
	"io"
	"time"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/service/internal/engine"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/session"
)

// initTimeout is how long a stream may be open without an init.
const initTimeout = 30 * time.Second

// received is one frame from the client; one of its fields is set, or none for
// a frame of a newer client, which is stepped over.
type received struct {
	init         *v1.SessionInit
	observations *v1.ObservationBatch
	flow         *v1.FlowControl
	close        *v1.SessionClose
	recall       *v1.StreamRecall
}

// duplex is one bidirectional stream, whichever method it came by.
type duplex struct {
	h       *Handlers
	receive func() (received, error)
	send    func(any) error

	stream  *engine.Stream // set once init was answered
	recalls chan struct{}  // places for recalls under way
}

// endOfStream is told through the outbox when everything before it was told
// and the stream is to end well.
type endOfStream struct{}

// run serves the stream until it ends. Its goroutine is the writer.
func (d *duplex) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Without a buffer: either the writer takes the stream and closes it, or
	// the reader keeps it and does.
	opened := make(chan *engine.Stream)
	d.h.readers.Add(1)
	go func() {
		defer d.h.readers.Done()
		defer func() {
			if p := recover(); p != nil { // the handler's own net does not reach here
				cancel(d.h.panicked(ctx, p))
			}
		}()
		if err := d.read(ctx, opened); err != nil {
			cancel(err)
		}
	}()
	timeout := time.NewTimer(initTimeout)
	defer timeout.Stop()
	select {
	case d.stream = <-opened:
		defer d.stream.Close()
	case <-timeout.C:
		return fault.New(fault.DeadlineExceeded, fault.ProtocolOrder, "no init came within %v", initTimeout)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := d.send(initAck(d.stream.Welcome())); err != nil {
		return err
	}
	return d.write(ctx)
}

// write sends what the session has to tell until it has no more.
func (d *duplex) write(ctx context.Context) error {
	var buf []session.Event
	for {
		events, err := d.stream.Next(ctx, buf[:0])
		for _, ev := range events {
			m := frame(ev)
			if _, over := m.(endOfStream); over {
				return nil
			}
			if m == nil {
				continue
			}
			if err := d.send(m); err != nil {
				return err
			}
			if g, ok := ev.(session.GoAway); ok && g.Resumable {
				d.h.readers.Add(1)
				go func() {
					defer d.h.readers.Done()
					d.finish(ctx, d.stream)
				}()
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		}
		buf = events
	}
}

// finish ends the stream well, once everything that was accepted is visible
// and has been told.
func (d *duplex) finish(ctx context.Context, st *engine.Stream) {
	s := st.Session()
	if _, err := s.Wait(ctx, memory.AckVisible, s.Info().Next-1); err != nil {
		return // the writer learns of it by itself
	}
	_ = st.Tell(ctx, endOfStream{}) //nolint:errcheck // fails only when the stream is over
}

// read takes frames until the client stops sending or breaks a rule. A nil
// error lets the writer go on.
func (d *duplex) read(ctx context.Context, opened chan<- *engine.Stream) error {
	f, err := d.receive()
	switch {
	case errors.Is(err, io.EOF):
		return fault.New(fault.FailedPrecondition, fault.ProtocolOrder, "the stream ended before its init")
	case err != nil:
		return err
	case f.init == nil:
		return fault.New(fault.FailedPrecondition, fault.ProtocolOrder, "the first frame is not init")
	}
	st, err := d.h.engine.Open(ctx, opening(f.init))
	if err != nil {
		return err
	}
	// The writer sets d.stream to the same before it uses it; the reader has
	// its own copy.
	select {
	case opened <- st:
	case <-ctx.Done(): // the writer has gone
		st.Close()
		return context.Cause(ctx)
	}
	r := reader{duplex: d, stream: st}
	for {
		f, err := d.receive()
		if errors.Is(err, io.EOF) {
			return r.halfClosed(ctx)
		}
		if err != nil {
			return err
		}
		if err := r.take(ctx, f); err != nil {
			return err
		}
	}
}

func opening(m *v1.SessionInit) engine.OpenStream {
	return engine.OpenStream{
		Space: memory.SpaceID(m.Space), MustExist: m.MustExist, Session: memory.SessionID(m.SessionId),
		Lane: lane(m.Priority, memory.LaneNormal), Levels: levels(m.AckLevels),
		ClientBuffer: int(m.ClientBufferSize), MaxBatch: int(m.MaxBatchSize),
	}
}

// reader is the way in of a stream that was opened.
type reader struct {
	*duplex
	stream *engine.Stream
	closed bool
	last   memory.Sequence // announced by a close with drain
}

func (r *reader) take(ctx context.Context, f received) error {
	switch {
	case f.init != nil:
		return fault.New(fault.FailedPrecondition, fault.ProtocolOrder, "init came twice")
	case r.closed && f.observations == nil:
		return nil // after close only what was refused may come again
	case f.observations != nil:
		return r.observe(ctx, f.observations)
	case f.flow != nil:
		return r.flow(f.flow)
	case f.close != nil:
		r.closed = true
		if f.close.Drain {
			r.last = memory.Sequence(f.close.LastSequence)
			return r.stream.Drain(r.last)
		}
		return r.halfClosed(ctx)
	case f.recall != nil:
		return r.recall(ctx, f.recall)
	}
	return nil
}

// observe takes a batch; its message is not to be used after.
func (r *reader) observe(ctx context.Context, b *v1.ObservationBatch) error {
	at, first := time.Now(), memory.Sequence(b.FirstSequence)
	p := r.h.engine.Parcel(len(b.Observations), components(b.Observations))
	incoming(ctx, p, b.Observations, at)
	giveBack(b) // before it waits for room in the session
	return r.stream.Take(ctx, first, p)
}

func (r *reader) flow(f *v1.FlowControl) error {
	switch f.Action {
	case v1.FlowAction_FLOW_ACTION_PAUSE:
		return r.stream.Pause()
	case v1.FlowAction_FLOW_ACTION_RESUME:
		return r.stream.Resume()
	case v1.FlowAction_FLOW_ACTION_SLOW_DOWN, v1.FlowAction_FLOW_ACTION_SPEED_UP:
		r.stream.SetRate(int(f.PreferredRate))
	case v1.FlowAction_FLOW_ACTION_BUFFER_STATUS:
		r.stream.BufferStatus(int(f.BufferRemaining))
	}
	return nil
}

// halfClosed is a client that sends no more: what it sent is finished, told,
// and then the stream ends. A drain ends it by itself.
func (r *reader) halfClosed(ctx context.Context) error {
	at := r.stream.Session().Info()
	if r.closed && at.State == session.Draining && at.Next <= r.last {
		return fault.New(fault.Aborted, fault.SequenceGap,
			"the stream ended before number %d, and last_sequence is %d; resume the session and send the rest", at.Next, r.last).In("last_sequence")
	}
	if r.closed && (at.State == session.Draining || at.State == session.Closed) {
		return nil
	}
	r.h.readers.Add(1)
	go func() {
		defer r.h.readers.Done()
		r.finish(ctx, r.stream)
	}()
	return nil
}
