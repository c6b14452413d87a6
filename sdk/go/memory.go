package engram

import (
	"context"
	"slices"
	"sync"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// Memory is a session that recalls on the same stream: a recall sees
// everything that was observed on it before.
type Memory struct {
	*Session
}

// OpenMemory opens a session that can recall.
func (c *Client) OpenMemory(ctx context.Context, space string, opts ...SessionOption) (*Memory, error) {
	s, err := c.openSession(ctx, space, newRecalls(), opts)
	if err != nil {
		return nil, err
	}
	return &Memory{s}, nil
}

// Recall finds what is near a cue, among everything the session has observed
// before and what else the space holds. Observations that are still waiting to
// be sent are sent first.
func (m *Memory) Recall(ctx context.Context, cue Cue, opts ...RecallOption) (*Recall, error) {
	r, err := recallRequest("", cue, opts)
	if err != nil {
		return nil, err
	}
	last, rewinds, err := m.sendRest(ctx)
	if err != nil {
		return nil, err
	}
	a := m.ask(ctx, r)
	if !m.missed(a, r, last, rewinds) {
		return a.recall, a.err
	}
	// The recall came to the server before an observation that had to be sent
	// again. Once that is visible, any answer holds it.
	if err := m.awaitVisible(ctx, last); err != nil {
		return nil, err
	}
	a = m.ask(ctx, r)
	return a.recall, a.err
}

// ask sends a recall and waits for its answer.
func (m *Memory) ask(ctx context.Context, r *v1.RecallRequest) recallAnswer {
	wait := m.recalls.ask(r)
	m.nudge()
	select {
	case a := <-wait.answer:
		return a
	case <-ctx.Done():
		m.recalls.forget(wait.id)
		return recallAnswer{err: brokenOff(ctx.Err())}
	}
}

// missed reports whether an answer may lack what was observed before it was
// asked for, through number last: the server says that it does not cover it, or
// does not know the space and something was refused meanwhile. A recall that
// chose its own consistency is taken at its word.
func (m *Memory) missed(a recallAnswer, r *v1.RecallRequest, last, rewinds uint64) bool {
	switch {
	case a.err == nil:
		return r.Consistency == nil && a.covered < last
	case IsNotFound(a.err): // the space may come with what was refused
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.rewinds != rewinds
	}
	return false
}

// sendRest waits until everything observed so far has been sent, and gives the
// last number and how often the session has gone back.
func (m *Memory) sendRest(ctx context.Context) (last, rewinds uint64, err error) {
	s := m.Session
	s.mu.Lock()
	defer s.mu.Unlock()
	last = s.window.next() - 1
	s.urgent = max(s.urgent, last)
	s.nudge()
	for s.acked[Durable] < last && s.sent < last {
		if s.err != nil {
			return last, 0, s.err
		}
		if err := s.waitLocked(ctx); err != nil {
			return last, 0, err
		}
	}
	return last, s.rewinds, s.err
}

// awaitVisible waits until everything through a number can be recalled.
func (m *Memory) awaitVisible(ctx context.Context, last uint64) error {
	s := m.Session
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.acked[Visible] < last {
		if s.err != nil {
			return s.err
		}
		if err := s.waitLocked(ctx); err != nil {
			return err
		}
	}
	return s.err
}

// recalls are the recalls of a session: those to be sent and those sent.
type recalls struct {
	mu      sync.Mutex
	last    uint64
	queue   []*v1.StreamRecall
	waiting map[uint64]*pendingRecall
	failed  error
}

type recallAnswer struct {
	recall  *Recall
	covered uint64 // everything through this number was visible to it
	err     error
}

type pendingRecall struct {
	id     uint64
	answer chan recallAnswer  // holds one
	parts  []*v1.RecallResult // of an answer that comes in parts
}

func newRecalls() *recalls { return &recalls{waiting: map[uint64]*pendingRecall{}} }

func (r *recalls) ask(q *v1.RecallRequest) *pendingRecall {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	p := &pendingRecall{id: r.last, answer: make(chan recallAnswer, 1)}
	if r.failed != nil {
		p.answer <- recallAnswer{err: r.failed}
		return p
	}
	r.waiting[p.id] = p
	r.queue = append(r.queue, &v1.StreamRecall{RequestId: p.id, Recall: q})
	return p
}

// next is the next recall to be sent; nil when there is none.
func (r *recalls) next() *v1.MemoryStreamRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		return nil
	}
	q := r.queue[0]
	r.queue = r.queue[1:]
	return &v1.MemoryStreamRequest{Frame: &v1.MemoryStreamRequest_Recall{Recall: q}}
}

func (r *recalls) answer(m *v1.StreamRecallResults) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.waiting[m.RequestId]
	if p == nil {
		return // nobody waits any more
	}
	p.parts = append(p.parts, m.Results...)
	if m.More && m.Error == nil {
		return
	}
	a := recallAnswer{recall: recallOf(p.parts, m.Snapshot, m.Stats), covered: m.CoveredSequence}
	if e := m.Error; e != nil {
		a = recallAnswer{err: &Error{Code: codeName(e.Code), Reason: e.Reason, Message: e.Message}}
	}
	delete(r.waiting, m.RequestId)
	p.answer <- a
}

// cut fails the recalls that were sent on a stream that ended: their answers
// will not come. Those not yet sent go on the next one.
func (r *recalls) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	queued := map[uint64]bool{}
	for _, q := range r.queue {
		queued[q.RequestId] = true
	}
	for id, p := range r.waiting {
		if !queued[id] {
			delete(r.waiting, id)
			p.answer <- recallAnswer{err: transportError("the stream ended before the recall was answered; ask again", nil)}
		}
	}
}

// forget drops a recall that nobody waits for any more, unsent if it still is.
func (r *recalls) forget(id uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiting, id)
	r.queue = slices.DeleteFunc(r.queue, func(q *v1.StreamRecall) bool { return q.RequestId == id })
}

// fail ends all recalls under way, and those to come if err is final for the
// session.
func (r *recalls) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = err
	for id, p := range r.waiting {
		delete(r.waiting, id)
		p.answer <- recallAnswer{err: err}
	}
}
