//go:build failpoints

package engine

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/engram-stream/engram/service/internal/failpoint"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/session"
	"github.com/engram-stream/engram/service/internal/vfs"
)

func inject(t *testing.T, name, spec string) {
	t.Helper()
	if err := failpoint.Set(name, spec); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(failpoint.Reset)
}

// A batch panics, then its first observation alone, as often as it is tried: it
// is quarantined, the others are found, and a restart changes nothing.
func TestQuarantineFromEndToEnd(t *testing.T) {
	for _, point := range []string{failpoint.SpaceApply, failpoint.WorkerItem} {
		t.Run(point, func(t *testing.T) {
			fs := vfs.NewMem(1)
			e := start(t, fs, nil)
			inject(t, point, "panic(boom)@times:3") // the batch, and two attempts
			c := attach(t, e, OpenStream{Space: "notes", Lane: memory.LaneNormal})
			if err := c.st.Observe(t.Context(), 1, []Incoming{text("a", "kettle one"), text("b", "kettle two"), text("c", "kettle three")}); err != nil {
				t.Fatal(err)
			}
			r := c.until(func(ev session.Event) bool {
				if a, ok := ev.(session.Ack); ok && a.Level == memory.AckVisible {
					t.Fatalf("%+v came before the rejection", a)
				}
				_, ok := ev.(session.Rejected)
				return ok
			}).(session.Rejected)
			if r.Sequence != 1 || r.ObservationID != "a" || r.Reason != string(fault.Quarantined) {
				t.Errorf("%+v", r)
			}
			if g := c.acked(memory.AckVisible, 3); g != 3 {
				t.Errorf("visible at generation %d", g)
			}
			failpoint.Reset()
			// A call whose observation is quarantined is told so.
			inject(t, point, "panic(boom)@times:3")
			k, err := e.Observe(t.Context(), Batch{Space: "notes", Wait: memory.AckVisible, Lane: memory.LaneNormal, In: []Incoming{text("d", "kettle four")}})
			if err != nil || k.Generation != 4 || len(k.Rejections) != 1 || k.Rejections[0].Reason != string(fault.Quarantined) || k.IDs[0] != "d" {
				t.Errorf("%+v, %v", k, err)
			}
			failpoint.Reset()
			sound := func(when string, e *Engine) {
				t.Helper()
				got := ask(t, e, "notes", "kettle")
				slices.Sort(got)
				if fmt.Sprint(got) != "[kettle three kettle two]" {
					t.Errorf("%s: %v", when, got)
				}
				found, missing, snap, err := e.Get("notes", []memory.ObservationID{"a", "b", "c", "d"})
				if err != nil || len(missing) != 0 || snap.Generation != 4 {
					t.Fatalf("%s: missing %v at generation %d, %v", when, missing, snap.Generation, err)
				}
				for i, st := range found {
					if st.Generation != memory.Generation(i+1) || (st.Quarantine != "") != (i%3 == 0) {
						t.Errorf("%s: %q is at generation %d, quarantined because %q", when, st.Observation.ID, st.Generation, st.Quarantine)
					}
				}
			}
			sound("live", e)
			name := c.st.Session().ID()
			c.st.Close()
			closeEngine(t, e)
			e = start(t, fs, nil)
			defer closeEngine(t, e)
			sound("after a restart", e)
			if s, err := e.sessions.Lookup(name); err != nil || s.Info().Next != 4 {
				t.Errorf("%+v, %v", s.Info(), err)
			}
		})
	}
}

// Who hears DURABLE finds what it is about, however long applying takes; and it
// is heard even when applying panics.
func TestDurableIsFoundAtOnce(t *testing.T) {
	e := start(t, vfs.NewMem(1), nil)
	defer closeEngine(t, e)
	c := attach(t, e, OpenStream{Space: "notes", Lane: memory.LaneNormal, Levels: []memory.AckLevel{memory.AckDurable}})
	defer c.st.Close()
	inject(t, failpoint.SpaceApply, "delay(50ms)")
	for i := range memory.Sequence(4) {
		if err := c.st.Observe(t.Context(), i+1, []Incoming{text("", fmt.Sprint("kettle ", i))}); err != nil {
			t.Fatal(err)
		}
		c.acked(memory.AckDurable, i+1)
		if got := ask(t, e, "notes", "kettle"); len(got) != int(i+1) {
			t.Fatalf("%d are DURABLE, a recall finds %v", i+1, got)
		}
	}
	failpoint.Reset()
	inject(t, failpoint.SpaceApply, "panic(boom)@times:4") // the batch, both attempts, and the one after
	if err := c.st.Observe(t.Context(), 5, []Incoming{text("", "kettle 5"), text("", "kettle 6")}); err != nil {
		t.Fatal(err)
	}
	c.acked(memory.AckDurable, 6)
}

// When the journal fails, whoever waits is told, and recalls are answered.
func TestTheJournalFailsWhileCallsWait(t *testing.T) {
	e := start(t, vfs.NewMem(1), nil)
	if _, err := e.Observe(t.Context(), Batch{Space: "notes", Wait: memory.AckVisible, Lane: memory.LaneNormal, In: []Incoming{text("a", "kettle")}}); err != nil {
		t.Fatal(err)
	}
	c := attach(t, e, OpenStream{Space: "notes", Lane: memory.LaneNormal})
	inject(t, failpoint.JournalSync, "error(the disk is gone)")
	const calls = 8
	ended := make(chan error, 2*calls)
	for i := range calls {
		b := Batch{Space: "notes", Wait: memory.AckVisible, Lane: memory.LaneNormal, In: []Incoming{text("", fmt.Sprint("note ", i))}}
		go func() { _, err := e.Observe(t.Context(), b); ended <- err }()
		in := b
		in.In = []Incoming{text("", fmt.Sprint("numbered ", i))}
		in.Session, in.First = memory.SessionID(fmt.Sprint("session-", i)), 1
		go func() { _, err := e.Observe(t.Context(), in); ended <- err }()
	}
	timeout := time.After(30 * time.Second)
	for range 2 * calls {
		select {
		case err := <-ended:
			if reasonOf(err) != fault.JournalFailed {
				t.Errorf("a call ended with %v", err)
			}
		case <-timeout:
			t.Fatal("a call hangs")
		}
	}
	c.until(func(ev session.Event) bool {
		s, ok := ev.(session.Status)
		return ok && s.State == session.Failed
	})
	if ok, _ := e.Ready(); ok || e.State() != Failed {
		t.Error("it is ready")
	}
	if got := ask(t, e, "notes", "kettle"); len(got) != 1 {
		t.Errorf("%v", got)
	}
	c.st.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = e.Drain(ctx) //nolint:errcheck // what failed cannot be finished; it must only end
	if ctx.Err() != nil {
		t.Error("the drain hangs")
	}
	_ = e.Close() //nolint:errcheck // the journal's error, told already
}
