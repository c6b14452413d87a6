package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/engram-stream/engram/service/internal/clock"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// TestScripts plays the transcripts in testdata: what clients and the pipeline
// do, and what the clients are told.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		st := newStage()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return st.play(t, d) })
	})
}

// stage is a manager with everyone who takes part in a script.
type stage struct {
	cfg     Config
	clock   *clock.Manual
	m       *Manager
	s       *Session // the one spoken of
	streams map[string]*Attachment
	calls   map[string]*Call
	watches map[string]*Watcher
}

func newStage() *stage {
	c := clock.NewManual(time.Unix(1_700_000_000, 0))
	st := &stage{cfg: Config{Window: 8, OutboxLimit: 4, MaxSessions: 3, MaxWatchers: 1, IdleRejections: 1, Clock: c}, clock: c}
	st.start(nil)
	return st
}

func (st *stage) start(marks []Marks) {
	st.m = NewManager(st.cfg)
	st.m.Restore(marks)
	st.streams, st.calls, st.watches = map[string]*Attachment{}, map[string]*Call{}, map[string]*Watcher{}
}

func (st *stage) play(t *testing.T, d *datadriven.TestData) string {
	var who string
	if len(d.CmdArgs) > 0 && len(d.CmdArgs[0].Vals) == 0 {
		who = d.CmdArgs[0].Key
	}
	num := func(key string) (v uint64) {
		d.MaybeScanArgs(t, key, &v)
		return v
	}
	word := func(key, otherwise string) string {
		d.MaybeScanArgs(t, key, &otherwise)
		return otherwise
	}
	spec := func() Spec {
		return Spec{ID: memory.SessionID(word("id", "")), Space: memory.SpaceID(word("space", "notes")), Principal: word("as", "")}
	}
	first, n := memory.Sequence(num("first")), int(num("n"))
	a, c, w := st.streams[who], st.calls[who], st.watches[who]

	switch d.Cmd {
	case "open":
		s, created, err := st.m.Open(spec())
		if err != nil {
			return say(err)
		}
		st.s = s
		return fmt.Sprintf("created=%v", created)
	case "resume":
		s, err := st.m.Resume(spec())
		if err == nil {
			st.s = s
		}
		return say(err)
	case "attach":
		a, err := st.s.Attach(levels(word("levels", "")), int(num("buffer")))
		if err != nil {
			return say(err)
		}
		st.streams[who] = a
		return standing(a.Standing())
	case "watch":
		w, err := st.s.Watch(levels(word("levels", "")))
		if err != nil {
			return say(err)
		}
		st.watches[who] = w
		return standing(w.Standing())
	case "call":
		c, err := st.s.Unary()
		st.calls[who] = c
		return say(err)
	case "offer":
		var plan Plan
		var err error
		if c != nil {
			plan, err = c.Offer(first, n)
		} else {
			plan, err = a.Offer(first, n)
		}
		if err != nil {
			return say(err)
		}
		return fmt.Sprintf("%+v", plan)
	case "accept":
		var rejected []memory.Rejection
		if q := num("reject"); q > 0 {
			rejected = append(rejected, rejection(q))
		}
		out := ""
		hand := func(first memory.Sequence) { out = fmt.Sprintf("handed %d..%d", first, int(first)+n-1) }
		var err error
		if c != nil {
			err = c.Accept(n, rejected, hand)
		} else {
			err = a.Accept(n, rejected, hand)
		}
		if err != nil {
			return say(err)
		}
		return out
	case "refuse":
		f := fault.Retry(fault.ResourceExhausted, fault.QueueFull, time.Second, "the queue is full")
		if c != nil {
			c.Refuse()
			return "ok"
		}
		return say(a.Refuse(f))
	case "reject":
		st.s.Reject(rejection(num("seq")))
	case "advance":
		st.s.Advance(levels(who)[0], memory.Sequence(num("through")), memory.Generation(num("gen")))
	case "credits":
		st.s.SetCredits(memory.Credits{Through: memory.Sequence(num("through")), Bytes: int64(num("bytes"))})
	case "pressure":
		st.s.PushStatus(Status{State: Backpressure, Cause: who, QueueDepth: n})
	case "pause":
		return say(a.Pause())
	case "unpause":
		return say(a.Resume())
	case "buffer":
		a.BufferStatus(n)
	case "tell":
		return say(a.Tell(context.Background(), word("what", "")))
	case "room":
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := a.Room(ctx); err != nil {
			return "stalled"
		}
	case "drain":
		return say(a.Drain(memory.Sequence(num("last"))))
	case "detach":
		a.Detach()
	case "end":
		c.End()
		delete(st.calls, who)
	case "unwatch":
		w.Close()
	case "next":
		if w != nil {
			return events(w.Next)
		}
		return events(a.Next)
	case "wait":
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		g, err := st.s.Wait(ctx, levels(who)[0], memory.Sequence(num("seq")))
		if err != nil {
			return say(err)
		}
		return fmt.Sprintf("gen=%d", g)
	case "fail":
		st.m.Fail(fault.New(fault.Unavailable, fault.JournalFailed, "the journal failed"))
	case "goaway":
		st.m.GoAway(5 * time.Second)
	case "close":
		info, err := st.m.Close(memory.SessionID(who))
		if err != nil {
			return say(err)
		}
		return info.State.String()
	case "drop":
		st.m.DropSpace(memory.SpaceID(who))
	case "pass":
		by, err := time.ParseDuration(who)
		if err != nil {
			t.Fatal(err)
		}
		st.clock.Advance(by)
		return fmt.Sprintf("forgotten=%v", st.m.Expire(st.clock.Now()))
	case "crash":
		st.start(st.m.Marks(""))
	case "list":
		var b strings.Builder
		for _, i := range st.m.List(memory.SpaceID(word("space", "")), memory.SessionID(word("after", "")), int(num("limit"))) {
			fmt.Fprintf(&b, "%s %s %v attached=%v next=%d durable=%d visible=%d accepted=%d %+v\n",
				i.ID, i.Space, i.State, i.Attached, i.Next, i.Durable, i.Visible, i.Accepted, i.Counts)
		}
		known, attached := st.m.Count()
		fmt.Fprintf(&b, "known=%d attached=%d", known, attached)
		return b.String()
	case "kept":
		var b strings.Builder
		for _, r := range st.s.Rejections(1, 1000) {
			fmt.Fprintf(&b, "%d %s %q\n", r.Sequence, r.Reason, r.Message)
		}
		return b.String()
	default:
		t.Fatalf("%s: no such command", d.Cmd)
	}
	return "ok"
}

func rejection(seq uint64) memory.Rejection {
	return memory.Rejection{Sequence: memory.Sequence(seq), Reason: string(fault.InvalidField), Message: "no"}
}

func levels(words string) (ls []memory.AckLevel) {
	for _, w := range strings.FieldsFunc(words, func(r rune) bool { return r == '+' }) {
		for _, l := range allLevels {
			if strings.EqualFold(w, l.String()) {
				ls = append(ls, l)
			}
		}
	}
	return ls
}

func say(err error) string {
	var f *fault.Error
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, io.EOF):
		return "end"
	case errors.Is(err, context.Canceled):
		return "waits"
	case errors.As(err, &f):
		return fmt.Sprintf("error %s %s: %s", f.Code, f.Reason, f.Message)
	}
	return err.Error()
}

func standing(s Standing) string {
	return fmt.Sprintf("init_ack next=%d durable=%d credits=%d", s.Next, s.Durable, s.Credits.Through)
}

// events prints what is to be sent now.
func events(next func(context.Context, []Event) ([]Event, error)) string {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	evs, err := next(ctx, nil)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return "nothing"
		}
		return say(err)
	}
	var b strings.Builder
	for _, e := range evs {
		switch e := e.(type) {
		case Ack:
			fmt.Fprintf(&b, "ack %v through=%d gen=%d credits=%d\n", e.Level, e.Through, e.Generation, e.Credits.Through)
		case Rejected:
			fmt.Fprintf(&b, "rejection %d %s %q\n", e.Sequence, e.Reason, e.Message)
		case Refusal:
			fmt.Fprintf(&b, "refusal expected=%d %s after=%v\n", e.Expected, e.Fault.Reason, e.Fault.RetryAfter)
		case Status:
			fmt.Fprintf(&b, "status %v cause=%q depth=%d credits=%d\n", e.State, e.Cause, e.QueueDepth, e.Credits.Through)
		case GoAway:
			fmt.Fprintf(&b, "go_away %s resumable=%v after=%v\n", e.Reason, e.Resumable, e.ResumeAfter)
		case Ended:
			fmt.Fprintf(&b, "closed final=%d accepted=%d %+v\n", e.Final, e.Accepted, e.Counts)
		case Custom:
			fmt.Fprintf(&b, "custom %v\n", e.Value)
		}
	}
	return b.String()
}
