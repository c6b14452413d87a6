package engine

import (
	"context"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/session"
	"github.com/engram-stream/engram/service/internal/telemetry"
)

// Batch is a unary Observe.
type Batch struct {
	Space     memory.SpaceID
	MustExist bool
	// Session and First place the batch in a session. First 0 is no session;
	// First 1 with an empty or unknown name opens one.
	Session memory.SessionID
	First   memory.Sequence
	Lane    memory.Lane
	In      []Incoming
	Wait    memory.AckLevel
}

// Kept is what became of a batch.
type Kept struct {
	Session    memory.SessionID
	Next       memory.Sequence
	Generation memory.Generation
	IDs        []memory.ObservationID
	Rejections []memory.Rejection
	Duplicates int
}

// Observe takes a batch in one call and returns when it has come as far as
// asked. It is refused for load as a whole. When the deadline comes first, the
// outcome is unknown.
func (e *Engine) Observe(ctx context.Context, b Batch) (*Kept, error) {
	if err := e.takesWrites(); err != nil {
		return nil, err
	}
	if n := len(b.In); n == 0 || n > e.opts.Limits.Batch {
		return nil, fault.New(fault.InvalidArgument, fault.TooLarge, "observations has %d elements; it must have 1 to %d", n, e.opts.Limits.Batch).In("observations")
	}
	if b.Session != "" && b.First == 0 {
		return nil, fault.New(fault.InvalidArgument, fault.InvalidSequence, "session_id is set and first_sequence is 0; a session's numbers start at 1").In("first_sequence")
	}
	sl, err := e.open(ctx, b.Space, b.MustExist)
	if err != nil {
		return nil, err
	}
	if err := e.shape(ctx, sl, b.In); err != nil {
		return nil, err
	}
	take := e.observeAlone
	if b.First != 0 {
		take = e.observeInSession
	}
	if b.Wait != memory.AckIndexed {
		return take(ctx, sl, b)
	}
	// The graph may be far behind; a server that stops does not wait for it.
	// What was kept is kept: the call may be repeated like any whose outcome
	// is unknown.
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.leaving, cancel)()
	kept, err := take(waiting, sl, b)
	if err != nil && ctx.Err() == nil && waiting.Err() != nil {
		return nil, errDraining
	}
	return kept, err
}

// observeAlone takes a batch that belongs to no session. Positions stand in
// for sequence numbers.
func (e *Engine) observeAlone(ctx context.Context, sl *slot, b Batch) (*Kept, error) {
	c, err := e.submit(ctx, sl, b, "", memory.NewIncarnation(), 1, nil, func(hand func(), _ []memory.Rejection) error {
		hand()
		return nil
	})
	if err != nil {
		return nil, err
	}
	outcomes, gen, err := c.await(ctx)
	if err != nil {
		return nil, err
	}
	kept := &Kept{Generation: gen}
	kept.add(1, outcomes)
	return kept, nil
}

// observeInSession takes a batch under its session's numbers.
func (e *Engine) observeInSession(ctx context.Context, sl *slot, b Batch) (*Kept, error) {
	sess, err := e.sessionOf(ctx, sl, b)
	if err != nil {
		return nil, err
	}
	use, err := sess.Unary()
	if err != nil {
		return nil, err
	}
	defer use.End()
	plan, err := use.Offer(b.First, len(b.In))
	if err != nil {
		return nil, err
	}
	kept := &Kept{Session: sess.ID(), Duplicates: plan.Duplicates}
	last := b.First + memory.Sequence(len(b.In)) - 1
	var outcomes []memory.Outcome
	if fresh := b.In[plan.Duplicates:]; len(fresh) > 0 {
		part := b
		part.In = fresh
		seq := b.First + memory.Sequence(plan.Duplicates)
		c, err := e.submit(ctx, sl, part, sess.ID(), sess.Incarnation(), seq, sess, func(hand func(), rejected []memory.Rejection) error {
			return use.Accept(len(fresh), rejected, func(memory.Sequence) { hand() })
		})
		if err != nil {
			use.Refuse()
			return nil, err
		}
		if outcomes, kept.Generation, err = c.await(ctx); err != nil {
			return nil, err
		}
	}
	gen, err := sess.Wait(ctx, b.Wait, last)
	if err != nil {
		return nil, err
	}
	kept.Generation = max(kept.Generation, gen)
	for i := range plan.Duplicates {
		id := b.In[i].id()
		if id == "" {
			id = memory.DerivedID(sess.Incarnation(), b.First+memory.Sequence(i))
		}
		kept.IDs = append(kept.IDs, id)
	}
	kept.Rejections = sess.Rejections(b.First, plan.Duplicates)
	kept.add(b.First+memory.Sequence(plan.Duplicates), outcomes)
	kept.Next = use.Next()
	return kept, nil
}

// sessionOf finds the session of a batch. An unknown name is opened when the
// batch is its first: the client says so itself by numbering from 1.
func (e *Engine) sessionOf(ctx context.Context, sl *slot, b Batch) (*session.Session, error) {
	spec := session.Spec{ID: b.Session, Space: b.Space, Lane: b.Lane}
	if b.Session != "" && !memory.ValidName(string(b.Session)) {
		return nil, invalidName("session_id", string(b.Session))
	}
	if b.First != 1 {
		if b.Session == "" {
			return nil, fault.New(fault.InvalidArgument, fault.InvalidSequence, "first_sequence is %d and session_id is empty; a new session starts at 1", b.First).In("session_id")
		}
		return e.sessions.Resume(spec)
	}
	sess, created, err := e.sessions.Open(spec)
	if err == nil && sl.ended() {
		return nil, spaceDeleted(b.Space) // meanwhile: the session is not of that life
	}
	if err != nil || !created {
		return sess, err
	}
	return sess, e.keepSession(ctx, sl, sess)
}

// submit validates, admits, embeds and queues a batch; accept consumes its
// numbers and calls hand, which queues it.
func (e *Engine) submit(ctx context.Context, sl *slot, b Batch, id memory.SessionID, inc memory.Incarnation, seq memory.Sequence,
	sess *session.Session, accept func(hand func(), rejected []memory.Rejection) error) (*call, error) {
	rejected := e.checkAll(sl.space, b.In, seq)
	markAll(b.In, telemetry.StageValidate)
	n, size := len(b.In), sizeOf(b.In)
	if f := sl.space.CheckQuota(n, size); f != nil {
		e.rec.Refused(string(b.Space), string(f.Reason), n)
		return nil, f
	}
	ticket, f := e.monitor.AdmitCall(b.Lane, n, size)
	if f != nil {
		e.rec.Refused(string(b.Space), string(f.Reason), n)
		return nil, f
	}
	markAll(b.In, telemetry.StageAdmit)
	more, down := e.embedAll(ctx, sl.space, b.In, seq)
	if down != nil {
		ticket.Release(n, size)
		if ctx.Err() != nil {
			return nil, fault.Of(ctx.Err())
		}
		e.rec.Refused(string(b.Space), string(down.Reason), n)
		return nil, embedderDown(down)
	}
	rejected = merged(rejected, more)
	for _, r := range rejected {
		e.rec.Rejected(string(b.Space), r.Reason, 1)
	}
	c := newCall(seq, n, ticket, b.Wait)
	lane := b.Lane
	if sess != nil {
		lane = sess.Lane()
	}
	items := itemsOf(b.Space, id, inc, lane, &delivery{slot: sl, session: sess, call: c}, b.In, seq, rejected)
	if sess == nil {
		together(items)
	}
	for _, it := range items {
		it.Place = b.Lane
	}
	if err := accept(func() { e.queue.Push(items) }, rejected); err != nil {
		ticket.Release(n, size)
		return nil, err
	}
	e.pool.Notify(b.Space)
	return c, nil
}

// add puts the outcomes of the numbers from seq on into the answer.
func (k *Kept) add(seq memory.Sequence, outcomes []memory.Outcome) {
	for i := range outcomes {
		o := &outcomes[i]
		k.IDs = append(k.IDs, o.ID)
		if o.Duplicate {
			k.Duplicates++
		}
		if o.Rejection != nil {
			r := *o.Rejection
			r.Sequence = seq + memory.Sequence(i)
			k.Rejections = append(k.Rejections, r)
		}
	}
}
