package engram

import (
	"context"
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

// Recall finds what is near a cue, among everything the session has sent
// before and what else the space holds. Observations that are still waiting to
// be sent are sent first.
func (m *Memory) Recall(ctx context.Context, cue Cue, opts ...RecallOption) (*Recall, error) {
	r, err := recallRequest("", cue, opts)
	if err != nil {
		return nil, err
	}
	if err := m.sendRest(ctx); err != nil {
		return nil, err
	}
	wait := m.recalls.ask(r)
	m.nudge()
	select {
	case a := <-wait.answer:
		return a.recall, a.err
	case <-ctx.Done():
		m.recalls.forget(wait.id)
		return nil, ctx.Err()
	}
}

// sendRest waits until everything observed so far has been sent.
func (m *Memory) sendRest(ctx context.Context) error {
	s := m.Session
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.window.next() - 1
	s.urgent = max(s.urgent, last)
	s.nudge()
	for s.acked[Durable] < last && s.sent < last {
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
	recall *Recall
	err    error
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
	a := recallAnswer{recall: recallOf(p.parts, m.Snapshot, m.Stats)}
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
			p.answer <- recallAnswer{err: &Error{Code: "unavailable", Reason: "TRANSPORT", Message: "the stream ended before the recall was answered; ask again", Retryable: true}}
		}
	}
}

func (r *recalls) forget(id uint64) {
	r.mu.Lock()
	delete(r.waiting, id)
	r.mu.Unlock()
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
