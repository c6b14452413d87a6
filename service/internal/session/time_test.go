package session

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// attached makes a session with a stream that has consumed n numbers.
func attached(t *testing.T, m *Manager, id memory.SessionID, n int) *Attachment {
	t.Helper()
	s, _, err := m.Open(Spec{ID: id, Space: "notes"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Attach(nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Offer(1, n); err != nil {
		t.Fatal(err)
	}
	if err := a.Accept(n, nil, nil); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestJanitorForgetsAfterRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewManager(Config{})
		forgotten := make(chan []memory.SessionID, 1)
		m.Start(func(ids []memory.SessionID) { forgotten <- ids })
		defer m.Stop()
		gone, live := attached(t, m, "gone", 1), attached(t, m, "live", 1)
		gone.Detach()
		time.Sleep(24*time.Hour - time.Minute)
		synctest.Wait()
		if _, err := m.Resume(Spec{ID: "gone", Space: "notes"}); err != nil || len(forgotten) != 0 {
			t.Fatalf("within retention: %v, forgotten %d", err, len(forgotten))
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if ids := <-forgotten; !slices.Equal(ids, []memory.SessionID{"gone"}) {
			t.Fatalf("forgotten %v", ids)
		}
		if _, err := m.Resume(Spec{ID: "gone", Space: "notes"}); fault.Of(err).Reason != fault.SessionExpired {
			t.Fatalf("after retention: %v", err)
		}
		// A holder of the forgotten session learns of it.
		if _, err := gone.Session().Attach(nil, 0); fault.Of(err).Reason != fault.SessionExpired {
			t.Fatalf("attach to a forgotten session: %v", err)
		}
		if _, err := live.Offer(2, 1); err != nil {
			t.Fatalf("a session with a stream: %v", err)
		}
	})
}

func TestStopWithoutStart(*testing.T) {
	m := NewManager(Config{})
	m.Stop()
	m.Start(nil)
	m.Stop()
}

func TestWaitEnds(t *testing.T) {
	failure := fault.New(fault.Unavailable, fault.JournalFailed, "the journal failed")
	for _, c := range []struct {
		name string
		then func(*Manager, *Attachment, context.CancelFunc)
		want fault.Reason
	}{
		{"reached", func(_ *Manager, a *Attachment, _ context.CancelFunc) { a.s.Advance(memory.AckIndexed, 2, 7) }, ""},
		{"failed", func(m *Manager, _ *Attachment, _ context.CancelFunc) { m.Fail(failure) }, fault.JournalFailed},
		{"dropped", func(m *Manager, _ *Attachment, _ context.CancelFunc) { m.DropSpace("notes") }, fault.SpaceDeleted},
		{"canceled", func(_ *Manager, _ *Attachment, cancel context.CancelFunc) { cancel() }, fault.CanceledByPeer},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := NewManager(Config{})
				a := attached(t, m, "one", 2)
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				var g memory.Generation
				var err error
				done := make(chan struct{})
				go func() {
					defer close(done)
					g, err = a.s.Wait(ctx, memory.AckVisible, 2)
				}()
				a.s.Advance(memory.AckVisible, 1, 1)
				synctest.Wait()
				select {
				case <-done:
					t.Fatalf("ended early: %d, %v", g, err)
				default:
				}
				c.then(m, a, cancel)
				<-done
				if c.want == "" {
					if err != nil || g != 7 {
						t.Fatalf("Wait = %d, %v", g, err)
					}
				} else if fault.Of(err) == nil || fault.Of(err).Reason != c.want {
					t.Fatalf("Wait: %v, want %s", err, c.want)
				}
			})
		})
	}
	// What a closed session has, it has; what never came, never will.
	m := NewManager(Config{})
	a := attached(t, m, "one", 2)
	if _, err := m.Close("one"); err != nil {
		t.Fatal(err)
	}
	a.s.Advance(memory.AckVisible, 2, 5)
	if g, err := a.s.Wait(context.Background(), memory.AckVisible, 2); err != nil || g != 5 {
		t.Fatalf("Wait = %d, %v", g, err)
	}
	if _, err := a.s.Wait(context.Background(), memory.AckVisible, 3); fault.Of(err) == nil || fault.Of(err).Reason != fault.SessionClosed {
		t.Fatalf("Wait: %v", err)
	}
}

func TestPacedAcksComeInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := attached(t, NewManager(Config{}), "one", 2)
		a.BufferStatus(1)
		ctx := context.Background()
		a.s.Advance(memory.AckDurable, 1, 1)
		if _, err := a.Next(ctx, nil); err != nil {
			t.Fatal(err)
		}
		a.s.Advance(memory.AckDurable, 2, 2)
		began := time.Now()
		events, err := a.Next(ctx, nil)
		if err != nil || len(events) != 1 || events[0].(Ack).Through != 2 {
			t.Fatalf("%+v, %v", events, err)
		}
		if waited := time.Since(began); waited != 63*time.Millisecond {
			t.Fatalf("waited %v", waited)
		}
		// What is urgent takes waiting acks along.
		a.s.Advance(memory.AckVisible, 2, 2)
		a.s.PushStatus(Status{State: Warning})
		began = time.Now()
		if events, err = a.Next(ctx, nil); err != nil || len(events) != 2 || time.Since(began) != 0 {
			t.Fatalf("%+v, %v after %v", events, err, time.Since(began))
		}
	})
}

func TestReaderStallsUntilTheClientReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		a := attached(t, NewManager(Config{OutboxLimit: 2}), "one", 2)
		told := 0
		done := make(chan error)
		go func() {
			var err error
			for ; told < 5 && err == nil; told++ {
				err = a.Tell(ctx, told)
			}
			done <- err
		}()
		for _, want := range []int{2, 2, 1} {
			synctest.Wait()
			events, err := a.Next(ctx, nil)
			if err != nil || len(events) != want {
				t.Fatalf("%+v, %v", events, err)
			}
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		// A take-over lets go of whoever waits for room.
		for range 2 {
			if err := a.Tell(ctx, "x"); err != nil {
				t.Fatal(err)
			}
		}
		go func() { done <- a.Room(ctx) }()
		synctest.Wait()
		if _, err := a.s.Attach(nil, 0); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

func TestWatcherThatFallsBehindIsEnded(t *testing.T) {
	m := NewManager(Config{Window: 4, OutboxLimit: 2})
	a := attached(t, m, "one", 20)
	w, err := a.s.Watch(nil)
	if err != nil {
		t.Fatal(err)
	}
	for q := memory.Sequence(1); q <= 20; q++ {
		a.s.Reject(memory.Rejection{Sequence: q})
	}
	var f *fault.Error
	if _, err := w.Next(context.Background(), nil); !errors.As(err, &f) || f.Code != fault.ResourceExhausted || !f.Retryable {
		t.Fatalf("Next = %v", err)
	}
	w.Close()
	if w, err = a.s.Watch(nil); err != nil {
		t.Fatal(err)
	}
	events, err := w.Next(context.Background(), nil)
	if err != nil || len(events) < 4 {
		t.Fatalf("%+v, %v", events, err)
	}
}
