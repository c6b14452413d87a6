package session

import (
	"context"
	"errors"
	"io"
	"testing"

	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// world is a session, the pipeline behind it and a client that goes back to N,
// under everything that can happen to them. Every seventh number is rejected
// when it is accepted, every fifth later, by the pipeline.
type world struct {
	m      *Manager
	a      *Attachment
	old    []*Attachment // taken over
	client client

	consumed memory.Sequence // handed to the pipeline
	durable  memory.Sequence
	late     memory.Sequence // rejections of the pipeline are told up to here
}

// client is what the client knows.
type client struct {
	cursor   memory.Sequence // sends from here
	acked    [memory.AckLevelCount]memory.Sequence
	rejected map[memory.Sequence]bool
}

func early(q memory.Sequence) bool { return q%7 == 0 }
func later(q memory.Sequence) bool { return q%5 == 0 && !early(q) }

func (w *world) session(t *rapid.T) *Session {
	s, err := w.m.Resume(Spec{ID: "one", Space: "notes"})
	if err != nil {
		t.Fatalf("Resume: %v", err)
	}
	return s
}

func (w *world) connect(t *rapid.T) {
	a, err := w.session(t).Attach([]memory.AckLevel{memory.AckAccepted, memory.AckDurable, memory.AckVisible}, 0)
	if err != nil {
		t.Fatalf("Attach: %v", err)
	}
	st := a.Standing()
	if st.Next != w.consumed+1 || st.Durable != w.durable {
		t.Fatalf("standing %+v, want next %d, durable %d", st, w.consumed+1, w.durable)
	}
	w.a, w.client.cursor, w.client.acked = a, st.Next, [memory.AckLevelCount]memory.Sequence{}
}

// send lets the client send n, of which the server takes up to take new ones.
func (w *world) send(t *rapid.T, n, take int) {
	first := w.client.cursor
	plan, err := w.a.Offer(first, n)
	if f := fault.Of(err); f != nil {
		if f.Reason != fault.WindowExceeded {
			t.Fatalf("Offer: %v", err)
		}
		w.a.Detach()
		w.connect(t)
		return
	}
	w.client.cursor += memory.Sequence(n)
	if plan.Duplicates+plan.Accept+plan.Discarded != n {
		t.Fatalf("plan %+v does not cover %d", plan, n)
	}
	take = min(take, plan.Accept)
	var rejected []memory.Rejection
	for i := range take {
		if q := w.consumed + 1 + memory.Sequence(i); early(q) {
			rejected = append(rejected, memory.Rejection{Sequence: q})
		}
	}
	if err := w.a.Accept(take, rejected, func(first memory.Sequence) {
		if first != w.consumed+1 {
			t.Fatalf("number %d was consumed after %d", first, w.consumed)
		}
		w.consumed += memory.Sequence(take)
	}); err != nil {
		t.Fatalf("Accept: %v", err)
	}
	if take < plan.Accept {
		if err := w.a.Refuse(fault.Retry(fault.ResourceExhausted, fault.QueueFull, 0, "full")); err != nil {
			t.Fatalf("Refuse: %v", err)
		}
	}
}

// advance lets the pipeline bring everything up to q to a level.
func (w *world) advance(s *Session, l memory.AckLevel, q memory.Sequence) {
	for ; w.late < q && l >= memory.AckDurable; w.late++ {
		if later(w.late + 1) {
			s.Reject(memory.Rejection{Sequence: w.late + 1})
		}
	}
	if l >= memory.AckDurable {
		w.durable = max(w.durable, q)
	}
	s.Advance(l, q, memory.Generation(q))
}

// read lets the client read all there is, and checks what it is told.
func (w *world) read(t *rapid.T) (ended *Ended) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	events, err := w.a.Next(ctx, nil)
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatalf("Next: %v", err)
	}
	for _, e := range events {
		switch e := e.(type) {
		case Rejected:
			if !early(e.Sequence) && !later(e.Sequence) || e.Sequence > w.consumed {
				t.Fatalf("%d was told rejected", e.Sequence)
			}
			w.client.rejected[e.Sequence] = true
		case Ack:
			if e.Through > w.consumed || e.Level >= memory.AckDurable && e.Through > w.durable {
				t.Fatalf("%+v passes consumed %d or durable %d", e, w.consumed, w.durable)
			}
			if e.Through < w.client.acked[e.Level] {
				t.Fatalf("%+v after %d", e, w.client.acked[e.Level])
			}
			for q := w.client.acked[e.Level] + 1; q <= e.Through; q++ {
				if (early(q) || later(q) && e.Level >= memory.AckDurable) && !w.client.rejected[q] {
					t.Fatalf("%+v came before the rejection of %d", e, q)
				}
			}
			w.client.acked[e.Level] = e.Through
		case Refusal:
			if e.Expected > w.consumed+1 {
				t.Fatalf("refusal asks for %d, after %d", e.Expected, w.consumed)
			}
			w.client.cursor = e.Expected
		case Ended:
			ended = &e
		case Status, GoAway, Custom:
		}
	}
	return ended
}

func TestSessionAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{m: NewManager(Config{Window: 64, DiscardLimit: 12}), client: client{rejected: map[memory.Sequence]bool{}}}
		if _, _, err := w.m.Open(Spec{ID: "one", Space: "notes"}); err != nil {
			t.Fatal(err)
		}
		w.connect(t)
		upTo := func(t *rapid.T, q memory.Sequence) memory.Sequence {
			return memory.Sequence(rapid.Uint64Range(0, uint64(q)).Draw(t, "up to"))
		}
		t.Repeat(map[string]func(*rapid.T){
			"send": func(t *rapid.T) {
				if w.consumed-w.durable > 40 {
					t.Skip("the grant is used up")
				}
				w.send(t, rapid.IntRange(0, 6).Draw(t, "n"), rapid.IntRange(0, 6).Draw(t, "take"))
			},
			"skip": func(*rapid.T) { w.client.cursor += 2 },
			"rewind": func(t *rapid.T) {
				w.client.cursor = 1 + upTo(t, w.client.cursor-1)
			},
			"read": func(t *rapid.T) { w.read(t) },
			"accepted": func(t *rapid.T) {
				w.advance(w.session(t), memory.AckAccepted, upTo(t, w.consumed))
			},
			"durable": func(t *rapid.T) { w.advance(w.session(t), memory.AckDurable, upTo(t, w.consumed)) },
			"visible": func(t *rapid.T) { w.advance(w.session(t), memory.AckVisible, upTo(t, w.consumed)) },
			"take over": func(t *rapid.T) {
				w.old = append(w.old, w.a)
				w.connect(t)
			},
			"break": func(t *rapid.T) {
				w.a.Detach()
				w.connect(t)
			},
			"crash": func(t *rapid.T) {
				marks := w.m.Marks("")
				w.m = NewManager(w.m.cfg)
				w.m.Restore(marks)
				w.consumed, w.late, w.old = w.durable, w.durable, nil
				w.connect(t)
			},
			"": func(t *rapid.T) {
				for _, a := range w.old {
					if _, err := a.Offer(1, 1); fault.Of(err) == nil || fault.Of(err).Reason != fault.SessionTakenOver {
						t.Fatalf("a stream taken over was offered numbers: %v", err)
					}
				}
			},
		})
		w.finish(t)
	})
}

// finish lets the client send the rest and close, and checks the reckoning.
func (w *world) finish(t *rapid.T) {
	last := w.consumed + 9
	for w.consumed < last {
		w.read(t)
		w.client.cursor = min(w.client.cursor, w.consumed+1)
		w.send(t, int(last-w.client.cursor)+1, 5)
	}
	if err := w.a.Drain(last); err != nil {
		t.Fatalf("Drain: %v", err)
	}
	w.advance(w.session(t), memory.AckVisible, last)
	ended := w.read(t)
	if ended == nil || ended.Final != last {
		t.Fatalf("ended %+v, want the last to be %d", ended, last)
	}
	var rejected uint64
	for q := memory.Sequence(1); q <= last; q++ {
		if early(q) || later(q) {
			rejected++
		}
	}
	if ended.Counts.Rejected != rejected || ended.Accepted != uint64(last)-rejected {
		t.Fatalf("%+v, want %d rejected of %d", ended, rejected, last)
	}
	if _, err := w.a.Next(context.Background(), nil); !errors.Is(err, io.EOF) {
		t.Fatalf("Next at the end: %v", err)
	}
}
