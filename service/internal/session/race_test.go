package session

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// TestStreamsFightForASession lets several streams take one session from each
// other while they send the same numbers, with a pipeline that advances it and
// a janitor at work. Every number enters the pipeline once and in order.
func TestStreamsFightForASession(t *testing.T) {
	const last = 3000
	m := NewManager(Config{IdleTimeout: 10 * time.Millisecond})
	m.Start(nil)
	defer m.Stop()
	s, _, err := m.Open(Spec{ID: "one", Space: "notes"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	pipe := make(chan memory.Sequence, last) // never full: hand must not block

	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				a, err := s.Attach(nil, 0)
				if err != nil {
					t.Error(err)
					return
				}
				next := a.Standing().Next
				for next <= last {
					n := min(7, int(last-next)+1)
					plan, err := a.Offer(next, n)
					if err == nil {
						err = a.Accept(plan.Accept, nil, func(first memory.Sequence) {
							for i := range plan.Accept {
								pipe <- first + memory.Sequence(i)
							}
						})
					}
					if err != nil {
						if fault.Of(err).Reason != fault.SessionTakenOver {
							t.Error(err)
						}
						break
					}
					next += memory.Sequence(n)
					runtime.Gosched()
				}
				if _, err := a.Next(ctx, nil); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
				a.Detach()
			}
		})
	}
	for want := memory.Sequence(1); want <= last; want++ {
		if got := <-pipe; got != want {
			t.Fatalf("number %d entered the pipeline, want %d", got, want)
		}
		if want%5 == 0 {
			s.Reject(memory.Rejection{Sequence: want})
		}
		s.Advance(memory.AckVisible, want, memory.Generation(want))
		s.SetCredits(memory.Credits{Through: want + 100})
	}
	if _, err := s.Wait(ctx, memory.AckVisible, last); err != nil {
		t.Fatal(err)
	}
	cancel()
	wg.Wait()
	if info := s.Info(); info.Next != last+1 || info.Attached || info.Counts.Rejected != last/5 {
		t.Fatalf("%+v", info)
	}
}

// TestIdleSessionIsSmall holds an idle session to 500 bytes: the struct, its
// two names (the space's is shared) and its place in the table.
func TestIdleSessionIsSmall(t *testing.T) {
	const entry = 16 + 8 + 24 // key, pointer, and what the table adds
	size := unsafe.Sizeof(Session{}) + 32 + entry
	if size > 500 {
		t.Fatalf("an idle session takes %d bytes (the struct %d)", size, unsafe.Sizeof(Session{}))
	}
	t.Logf("%d bytes, the struct %d", size, unsafe.Sizeof(Session{}))
}
