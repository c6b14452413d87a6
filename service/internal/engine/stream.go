package engine

import (
	"context"
	"errors"
	"io"
	"sort"
	"time"

	"github.com/engram-stream/engram/service/internal/admission"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/session"
	"github.com/engram-stream/engram/service/internal/telemetry"
)

// OpenStream says what a stream is to feed.
type OpenStream struct {
	Space        memory.SpaceID
	MustExist    bool
	Session      memory.SessionID // empty: a new one
	Lane         memory.Lane
	Levels       []memory.AckLevel
	ClientBuffer int
	MaxBatch     int
}

// Stream feeds one session: the engine's side of ObserveStream and
// MemoryStream. Observe, Take and the flow-control methods belong to the stream's
// reader, Next to its writer; Close ends both and is called once by whoever
// opened it.
type Stream struct {
	engine  *Engine
	slot    *slot
	att     *session.Attachment
	account *admission.Account
	owner   *delivery
	resumed bool
}

// Open opens or resumes a session and attaches a stream to it.
func (e *Engine) Open(ctx context.Context, o OpenStream) (*Stream, error) {
	if err := e.takesWrites(); err != nil {
		return nil, err
	}
	sess, sl, err := e.sessionFor(ctx, o)
	if err != nil {
		return nil, err
	}
	att, err := sess.Attach(o.Levels, o.ClientBuffer)
	if err != nil {
		return nil, err
	}
	st := &Stream{engine: e, slot: sl, att: att, resumed: o.Session != ""}
	st.account = e.monitor.Open(sess.Lane(), e.window(), att.Standing().Next, att.Grant)
	st.owner = &delivery{slot: sl, session: sess, account: st.account}
	e.feeding.begin(st)
	e.welcome(sess)
	return st, nil
}

func (e *Engine) window() admission.Window {
	w := e.opts.Window
	return admission.Window{MaxItems: w.Items, MinItems: w.MinItems, MaxBytes: w.Bytes}
}

// sessionFor finds the session to resume, or makes one and journals that it
// exists: a client that was told its name can resume it after a crash.
func (e *Engine) sessionFor(ctx context.Context, o OpenStream) (*session.Session, *slot, error) {
	if o.Session != "" {
		if !memory.ValidName(string(o.Session)) {
			return nil, nil, invalidName("session_id", string(o.Session))
		}
		sess, err := e.sessions.Resume(session.Spec{ID: o.Session, Space: o.Space})
		if err != nil {
			return nil, nil, err
		}
		sl, err := e.registry.find(sess.Space())
		return sess, sl, err
	}
	sl, err := e.open(ctx, o.Space, o.MustExist)
	if err != nil {
		return nil, nil, err
	}
	sess, _, err := e.sessions.Open(session.Spec{Space: o.Space, Lane: o.Lane})
	if err != nil {
		return nil, nil, err
	}
	if sl.ended() {
		return nil, nil, spaceDeleted(o.Space) // meanwhile: the session is not of that life
	}
	if err := e.keepSession(ctx, sl, sess); err != nil {
		_, _ = e.sessions.Close(sess.ID()) // nobody knows its name
		return nil, nil, err
	}
	return sess, sl, nil
}

// Welcome is what init_ack says.
type Welcome struct {
	session.Standing
	Resumed   bool
	Dimension int
	MaxBatch  int
}

// Welcome returns where the session stands as the stream begins.
func (st *Stream) Welcome() Welcome {
	w := Welcome{Standing: st.att.Standing(), Resumed: st.resumed, Dimension: st.slot.space.Dimension(), MaxBatch: st.engine.opts.Limits.Batch}
	w.Credits = st.account.Credits()
	return w
}

// Session returns the session that is fed.
func (st *Stream) Session() *session.Session { return st.att.Session() }

// Space returns the space that is fed.
func (st *Stream) Space() memory.SpaceID { return st.slot.space.ID() }

// Observe takes a batch of consecutive observations. What is wrong with single
// ones, and what is refused for load, is told in-band; an error ends the
// stream.
func (st *Stream) Observe(ctx context.Context, first memory.Sequence, in []Incoming) error {
	return st.observe(ctx, first, in, nil)
}

// Take is Observe of a parcel.
func (st *Stream) Take(ctx context.Context, first memory.Sequence, p *Parcel) error {
	err := st.observe(ctx, first, p.In, p)
	p.taken()
	return err
}

// observe keeps nothing of in itself, but what it refers to. p is nil for what
// lies in no parcel.
func (st *Stream) observe(ctx context.Context, first memory.Sequence, in []Incoming, p *Parcel) error {
	e := st.engine
	if err := st.att.Room(ctx); err != nil {
		return err
	}
	if n := len(in); n > e.opts.Limits.Batch {
		return fault.New(fault.InvalidArgument, fault.TooLarge, "a batch has %d observations; the limit is %d", n, e.opts.Limits.Batch).In("observations")
	}
	plan, err := st.att.Offer(first, len(in))
	if err != nil || plan.Accept == 0 {
		return err
	}
	in = in[plan.Duplicates : plan.Duplicates+plan.Accept]
	seq := first + memory.Sequence(plan.Duplicates)
	if err := e.shape(ctx, st.slot, in); err != nil {
		return err
	}
	rejected := e.checkAll(st.slot.space, in, seq)
	markAll(in, telemetry.StageValidate)

	in, refusal := st.admit(in, seq)
	rejected = rejectedBefore(rejected, seq+memory.Sequence(len(in)))
	if len(in) > 0 {
		markAll(in, telemetry.StageAdmit)
		more, down := e.embedAll(ctx, st.slot.space, in, seq)
		if down != nil {
			if ctx.Err() != nil {
				st.account.Unadmit(len(in), sizeOf(in))
				return fault.Of(ctx.Err())
			}
			st.account.Unadmit(len(in), sizeOf(in))
			e.rec.Refused(string(st.Space()), string(down.Reason), len(in))
			return st.att.Refuse(embedderDown(down))
		}
		rejected = merged(rejected, more)
		if err := st.accept(in, seq, rejected, p); err != nil {
			return err
		}
	}
	if refusal != nil {
		e.rec.Refused(string(st.Space()), string(refusal.Reason), plan.Accept-len(in))
		return st.att.Refuse(refusal)
	}
	return nil
}

// admit reserves places for as long a prefix of the batch as it can, and says
// why the rest is refused.
func (st *Stream) admit(in []Incoming, seq memory.Sequence) ([]Incoming, *fault.Error) {
	if f := st.slot.space.CheckQuota(len(in), sizeOf(in)); f != nil {
		return nil, f
	}
	f := st.account.Admit(seq, len(in), sizeOf(in))
	if f == nil {
		return in, nil
	}
	// What lies within the grant is never refused for load.
	through := st.account.Credits().Through
	if through >= seq && through < seq+memory.Sequence(len(in))-1 {
		part := in[:through-seq+1]
		if st.account.Admit(seq, len(part), sizeOf(part)) == nil {
			return part, f
		}
	}
	// As many as there is room for: the same batch sent again and again would
	// else never get in, when it alone is more than the bytes granted.
	for n := len(in) / 2; n > 0; n /= 2 {
		if part := in[:n]; st.account.Admit(seq, n, sizeOf(part)) == nil {
			return part, f
		}
	}
	return nil, f
}

// accept consumes the numbers of the batch and queues it.
func (st *Stream) accept(in []Incoming, seq memory.Sequence, rejected []memory.Rejection, p *Parcel) error {
	e, sess := st.engine, st.att.Session()
	for _, r := range rejected {
		e.rec.Rejected(string(st.Space()), r.Reason, 1)
	}
	itemsOf := itemsOf
	if p != nil {
		itemsOf = p.itemsOf
	}
	items := itemsOf(st.Space(), sess.ID(), sess.Incarnation(), sess.Lane(), st.owner, in, seq, rejected)
	err := st.att.Accept(len(in), rejected, func(memory.Sequence) { e.queue.Push(items) })
	if err != nil {
		st.account.Unadmit(len(in), sizeOf(in))
		return err
	}
	e.pool.Notify(st.Space())
	return nil
}

// Next returns what the client is to be told next; io.EOF at the end. The end
// of a session is durable before it is told.
func (st *Stream) Next(ctx context.Context, buf []session.Event) ([]session.Event, error) {
	events, err := st.att.Next(ctx, buf)
	for _, ev := range events {
		if _, over := ev.(session.Ended); over {
			if kept := st.engine.keepSession(ctx, st.slot, st.att.Session()); kept != nil {
				return nil, kept
			}
		}
	}
	if errors.Is(err, io.EOF) {
		return events, io.EOF
	}
	return events, err
}

// Tell puts something of the caller's into the order of what the client is
// told.
func (st *Stream) Tell(ctx context.Context, v any) error { return st.att.Tell(ctx, v) }

// Drain ends the session once everything through last is decided and visible.
func (st *Stream) Drain(last memory.Sequence) error { return st.att.Drain(last) }

// Pause stops granting; Resume goes on.
func (st *Stream) Pause() error {
	st.account.Pause()
	return st.att.Pause()
}

// Resume grants again.
func (st *Stream) Resume() error {
	st.account.Resume()
	return st.att.Resume()
}

// SetRate sets a ceiling on credits per second; 0 is none.
func (st *Stream) SetRate(perSecond int) { st.account.SetRate(float64(perSecond)) }

// BufferStatus says how many frames the client can still hold.
func (st *Stream) BufferStatus(frames int) { st.att.BufferStatus(frames) }

// Close detaches the stream. The session can be resumed.
func (st *Stream) Close() {
	st.engine.audience.remove(st.att.Session())
	st.engine.feeding.end(st)
	st.att.Detach()
	st.account.Close()
}

func markAll(in []Incoming, s telemetry.Stage) {
	now := time.Now()
	for i := range in {
		in[i].Trip.MarkAt(s, now)
	}
}

func rejectedBefore(list []memory.Rejection, end memory.Sequence) []memory.Rejection {
	n := sort.Search(len(list), func(i int) bool { return list[i].Sequence >= end })
	return list[:n]
}

// merged joins two lists of rejections that are sorted by number.
func merged(a, b []memory.Rejection) []memory.Rejection {
	if len(b) == 0 {
		return a
	}
	a = append(a, b...)
	sort.Slice(a, func(i, j int) bool { return a[i].Sequence < a[j].Sequence })
	return a
}

func embedderDown(f *fault.Error) *fault.Error {
	return fault.Retry(fault.Unavailable, fault.EmbedderDown, max(f.RetryAfter, 100*time.Millisecond), "%s", f.Message).Because(f)
}
