package session

import (
	"context"
	"errors"
	"io"
	"testing"

	"go.uber.org/goleak"

	"github.com/engram-stream/engram/service/internal/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOneStreamFromInitToClosed(t *testing.T) {
	m := NewManager(Config{})
	s, created, err := m.Open(Spec{Space: "notes"})
	if err != nil || !created {
		t.Fatalf("Open = %v, %v", created, err)
	}
	a, err := s.Attach(nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Detach()
	if got := a.Standing(); got.Next != 1 || got.Durable != 0 || got.ID != s.ID() {
		t.Fatalf("Standing = %+v", got)
	}
	plan, err := a.Offer(1, 3)
	if err != nil || plan != (Plan{Accept: 3}) {
		t.Fatalf("Offer = %+v, %v", plan, err)
	}
	var handed memory.Sequence
	rejected := []memory.Rejection{{Sequence: 2, Reason: "INVALID_FIELD"}}
	if err := a.Accept(3, rejected, func(first memory.Sequence) { handed = first }); err != nil || handed != 1 {
		t.Fatalf("Accept = %v, handed %d", err, handed)
	}
	if err := a.Drain(3); err != nil {
		t.Fatal(err)
	}
	s.Advance(memory.AckVisible, 3, 2)
	events, err := a.Next(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []Event{
		Rejected{rejected[0]},
		Ack{Level: memory.AckDurable, Through: 3, Generation: 2},
		Ack{Level: memory.AckVisible, Through: 3, Generation: 2},
		Status{State: Closed},
		Ended{Final: 3, Accepted: 2, Counts: Counts{Rejected: 1}},
	}
	if len(events) != len(want) {
		t.Fatalf("events = %+v", events)
	}
	for i := range want {
		if events[i] != want[i] {
			t.Errorf("event %d = %+v, want %+v", i, events[i], want[i])
		}
	}
	if _, err := a.Next(context.Background(), nil); !errors.Is(err, io.EOF) {
		t.Fatalf("Next at the end = %v", err)
	}
}

func TestLateGrantOfAFormerStreamIsVoid(t *testing.T) {
	m := NewManager(Config{})
	s, _, err := m.Open(Spec{Space: "notes"})
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.Attach(nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	first.Grant(memory.Credits{Through: 100, Bytes: 1000})
	second, err := s.Attach(nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.Regrant(memory.Credits{Through: 10, Bytes: 500})
	first.Grant(memory.Credits{Through: 200, Bytes: 1000})
	if c := s.Info().Credits; c != (memory.Credits{Through: 10, Bytes: 500}) {
		t.Fatalf("a late grant to the former stream counts: %+v", c)
	}
	second.Grant(memory.Credits{Through: 20, Bytes: 500})
	if c := s.Info().Credits; c.Through != 20 {
		t.Fatalf("%+v", c)
	}
}
