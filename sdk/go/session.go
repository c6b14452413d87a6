package engram

import (
	"context"
	"fmt"
	"sync"
	"time"

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
	// taken is the highest number the server may have taken of this session: sent,
	// and not refused; unsettled is what earlier streams left of it without an
	// answer. Who expects more heard it from somebody else.
	taken, unsettled uint64
	welcomed         bool   // the server has said once where it stands
	rewinds          uint64 // how often sent went back
	unacked          int64  // bytes of what is sent and not durable
	credits          *v1.Credits
	acked            [Indexed + 1]uint64
	gen              uint64
	hold             time.Time // nothing is sent before: the server asked for it
	urgent           uint64    // through which nothing lingers
	draining         bool      // Observe takes no more
	closing          bool      // the server was told to close
	progress         bool      // something was acked on this stream

	detaching bool // the server is not to be told to close
	maxBatch  int  // observations in a frame at the most, by option and server
	batch     int  // the same under the pressure of now
	closed    *Closed
	err       error
	rejected  []Rejection // not yet returned by Flush
	// rejectedMore counts those beyond maxKept; thrown is what a callback did.
	rejectedMore int
	thrown       error
	acks         feed[Ack]
	rejections   feed[Rejection]
	pressure     feed[Status]
	stats        Stats
	changed      chan struct{} // closed and replaced on every change

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
		return nil, invalid("FlushTo", "FlushTo is %d, which is no level", l)
	}
	s.id = s.opts.resume
	// The stream lives on when ctx, the caller's for opening, has ended; values
	// of ctx, such as its trace, go along.
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	stop := context.AfterFunc(ctx, cancel)
	st, err := s.connect(life)
	if !stop() {
		if err == nil {
			st.close()
		}
		err = brokenOff(ctx.Err())
	}
	if err == nil {
		if err = c.remember(s); err != nil {
			st.close()
		}
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

// Done is closed when the session is over, by Close, by Detach or by itself: Err
// says why.
func (s *Session) Done() <-chan struct{} { return s.done }

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
	inTrace(ctx, m)
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
