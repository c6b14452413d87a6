package engram

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// Session is a numbered stream of observations into one space. See the package
// comment for what it does by itself.
//
// Owner: whoever opened it, who calls Close. mu guards everything below it and
// is never held across I/O or a callback. The sender goroutine alone sends.
type Session struct {
	client  *Client
	space   string
	opts    sessionOptions
	recalls *recalls // nil unless the session can recall
	cancel  context.CancelFunc
	done    chan struct{} // closed when the sender has ended
	wake    chan struct{} // something to do for the sender; holds one

	mu       sync.Mutex
	id       string
	window   window
	sent     uint64 // the last number sent on this stream
	everSent uint64
	rewinds  uint64 // how often sent went back
	unacked  int64  // bytes of what is sent and not durable
	credits  *v1.Credits
	acked    [Indexed + 1]uint64
	gen      uint64
	hold     time.Time // nothing is sent before: the server asked for it
	urgent   uint64    // through which nothing lingers
	draining bool      // Observe takes no more
	closing  bool      // the server was told to close
	progress bool      // something was acked on this stream

	detaching bool // the server is not to be told to close
	maxBatch  int  // observations in a frame at the most, by option and server
	batch     int  // the same under the pressure of now
	closed    *Closed
	err       error
	rejected  []Rejection // not yet returned by Flush
	stats     Stats
	changed   chan struct{} // closed and replaced on every change

	lingering  uint64    // the number that waits for company
	lingerTill time.Time // and until when
	told       uint64    // highest number heard to be rejected
	recent     []uint64  // numbers heard to be rejected lately
}

// maxKept bounds the rejections that wait for a Flush; OnRejection hears all.
const maxKept = 10_000

// maxObservation bounds an observation in bytes. Servers take far less and say
// so by a rejection; one that does not fit into a frame at all (16 MiB unless
// configured) would end the whole stream.
const maxObservation = 15 << 20

// OpenSession opens a session, or resumes one.
func (c *Client) OpenSession(ctx context.Context, space string, opts ...SessionOption) (*Session, error) {
	return c.openSession(ctx, space, nil, opts)
}

func (c *Client) openSession(ctx context.Context, space string, r *recalls, opts []SessionOption) (*Session, error) {
	s := &Session{
		client: c, space: space, opts: defaultSession(), recalls: r,
		done: make(chan struct{}), wake: make(chan struct{}, 1), changed: make(chan struct{}), window: window{first: 1},
	}
	for _, f := range opts {
		f(&s.opts)
	}
	if l := s.opts.flushLevel; l < Accepted || l > Indexed {
		return nil, &Error{Code: "invalid_argument", Reason: "INVALID_FIELD", Field: "FlushTo", Message: fmt.Sprintf("FlushTo is %d, which is no level", l)}
	}
	s.id = s.opts.resume
	// The stream lives on when ctx, the caller's for opening, has ended; values
	// of ctx, such as its trace, go along.
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	stop := context.AfterFunc(ctx, cancel)
	st, err := s.connect(life)
	if !stop() && err == nil {
		st.close()
		err = ctx.Err()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	go s.run(life, st)
	return s, nil
}

// ID is the session's name on the server: keep it to Resume.
func (s *Session) ID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// Generation is the newest generation known to hold this session's
// observations; pass it to AtLeast.
func (s *Session) Generation() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gen
}

// Stats returns the counts so far.
func (s *Session) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Durable = s.acked[Durable]
	return st
}

// Err returns what ended the session; nil while it goes on.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Observe hands an observation over and returns its number. It waits for room
// in the buffer, not for the server. A span in ctx becomes the parent of the
// observation's trace.
func (s *Session) Observe(ctx context.Context, o Observation) (uint64, error) {
	m, err := o.toWire()
	if err != nil {
		return 0, err
	}
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		m.Traceparent = "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-" + sc.TraceFlags().String()
		m.Tracestate = sc.TraceState().String()
	}
	h := held{m, int64(m.SizeVT())}
	if h.size > maxObservation {
		return 0, &Error{Code: "invalid_argument", Reason: "TOO_LARGE", Message: fmt.Sprintf("the observation has %d bytes; the limit is %d", h.size, maxObservation)}
	}
	s.mu.Lock()
	for s.err == nil && !s.draining && s.window.len() > 0 && (s.window.len() >= s.opts.buffer || s.window.bytes+h.size > s.opts.bufferBytes) {
		if s.opts.nonBlocking {
			s.mu.Unlock()
			return 0, ErrFull
		}
		if err := s.waitLocked(ctx); err != nil {
			s.mu.Unlock()
			return 0, err
		}
	}
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	if s.draining {
		return 0, ErrClosed
	}
	seq := s.window.next()
	s.window.push(h)
	s.stats.Observed++
	if waiting := s.window.next() - 1 - s.sent; waiting == 1 || waiting >= uint64(s.batch) {
		s.nudge()
	}
	return seq, nil
}

// Flush waits until everything observed so far has reached the level of
// FlushTo. When observations were rejected since the last Flush, it returns a
// *RejectedError.
func (s *Session) Flush(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.window.next() - 1
	s.urgent = max(s.urgent, last)
	s.nudge()
	for s.acked[s.opts.flushLevel] < last {
		if s.err != nil {
			return s.err
		}
		if err := s.waitLocked(ctx); err != nil {
			return err
		}
	}
	return s.takeRejected()
}

// Close waits until everything is decided and visible, ends the session for
// good, and returns what the server counted. When ctx ends first, the session
// is given up where it stands.
func (s *Session) Close(ctx context.Context) (Closed, error) {
	s.mu.Lock()
	s.draining = true
	s.urgent = s.window.next()
	s.nudge()
	var err error
	for s.closed == nil && s.err == nil && err == nil {
		err = s.waitLocked(ctx)
	}
	if err == nil && s.closed == nil {
		err = s.err
	}
	s.leave()
	defer s.mu.Unlock()
	if err != nil {
		return Closed{}, err
	}
	return *s.closed, s.takeRejected()
}

// Detach waits until everything is on stable storage and lets go of the session
// without ending it: Resume goes on with it, in this process or another. When
// ctx ends first, Stats says how far it came.
func (s *Session) Detach(ctx context.Context) error {
	s.mu.Lock()
	s.draining, s.detaching = true, true
	s.urgent = s.window.next()
	s.nudge()
	var err error
	for s.acked[Durable] < s.window.next()-1 && s.err == nil && err == nil {
		err = s.waitLocked(ctx)
	}
	if err == nil {
		err = s.err
	}
	s.leave()
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.takeRejected()
}

// leave ends the goroutines, if they still run, and waits for them; mu is held
// before and after.
func (s *Session) leave() {
	if s.err == nil {
		s.err = ErrClosed
	}
	s.mu.Unlock()
	s.cancel()
	<-s.done
	s.mu.Lock()
}

// RejectedError says that observations were not kept.
type RejectedError struct{ Rejections []Rejection }

// Error implements error.
func (e *RejectedError) Error() string {
	r := e.Rejections[0]
	text := "engram: " + r.Reason + ": " + r.Message
	if len(e.Rejections) > 1 {
		text += " (and more)"
	}
	return text
}

func (s *Session) takeRejected() error {
	if len(s.rejected) == 0 {
		return nil
	}
	e := &RejectedError{s.rejected}
	s.rejected = nil
	return e
}

// waitLocked waits for a change; mu is held before and after.
func (s *Session) waitLocked(ctx context.Context) error {
	changed := s.changed
	s.mu.Unlock()
	defer s.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// announce wakes whoever waits for a change; mu is held.
func (s *Session) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// nudge wakes the sender.
func (s *Session) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
