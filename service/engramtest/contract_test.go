package engramtest_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/gen/go/engram/v1/engramv1connect"
	"github.com/engram-stream/engram/service/engramtest"
)

// wire is a client of the bare contract.
type wire struct {
	memory engramv1connect.MemoryServiceClient
	admin  engramv1connect.AdminServiceClient
	ctx    context.Context
}

func bare(t *testing.T, s *engramtest.Server) wire {
	t.Helper()
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: &p}
	t.Cleanup(tr.CloseIdleConnections)
	c := connect.NewClient(connecthttp.NewTransport(&http.Client{Transport: tr}, s.URL))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return wire{engramv1connect.NewMemoryServiceClient(c), engramv1connect.NewAdminServiceClient(c), ctx}
}

func texts(n int, prefix string) (out []*v1.Observation) {
	for i := range n {
		out = append(out, &v1.Observation{Content: fmt.Sprintf("%s number %d", prefix, i)})
	}
	return out
}

// The browser's pattern: Observe with a session, beside it a watcher that is
// told what becomes of it.
func TestObserveWithAWatcher(t *testing.T) {
	w := bare(t, engramtest.Start(t))
	first, err := w.memory.Observe(w.ctx, &v1.ObserveRequest{Space: "page", SessionId: "tab-1", FirstSequence: 1, Observations: texts(3, "note")})
	if err != nil || first.SessionId != "tab-1" || first.NextSequence != 4 || len(first.ObservationIds) != 3 {
		t.Fatalf("%v, %v", first, err)
	}
	watch, err := w.memory.WatchSession(w.ctx, &v1.WatchSessionRequest{SessionId: "tab-1"})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	hello, err := watch.Receive()
	if err != nil || hello.GetInitAck().GetNextSequence() != 4 || hello.GetInitAck().GetDurableSequence() != 3 {
		t.Fatalf("%v, %v", hello, err)
	}
	batch := texts(2, "more")
	batch[1].Importance = 9
	again, err := w.memory.Observe(w.ctx, &v1.ObserveRequest{Space: "page", SessionId: "tab-1", FirstSequence: 3, Observations: append(texts(1, "sent twice"), batch...)})
	if err != nil || again.NextSequence != 6 || again.Duplicates != 1 || len(again.Rejections) != 1 || again.Rejections[0].Sequence != 5 || len(again.ObservationIds) != 3 {
		t.Fatalf("%v, %v", again, err)
	}
	rejected := false
	for visible := uint64(0); visible < 5; {
		m, err := watch.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if r := m.GetRejection(); r != nil {
			rejected = r.Sequence == 5 && r.Reason == "INVALID_FIELD"
		}
		if a := m.GetAck(); a.GetStatus() == v1.AckLevel_ACK_LEVEL_VISIBLE {
			visible = a.ThroughSequence
		}
	}
	if !rejected {
		t.Error("the watcher was not told of the rejection before the ack that covers it")
	}
	if _, err := w.admin.CloseSession(w.ctx, &v1.CloseSessionRequest{SessionId: "tab-1"}); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := watch.Receive()
		if err != nil {
			t.Fatalf("the watcher was not told that the session is over: %v", err)
		}
		if g := m.GetGoAway(); g != nil {
			if g.Resumable {
				t.Errorf("%v", g)
			}
			break
		}
		if m.GetClosed() != nil {
			break
		}
	}
	_, err = w.memory.Observe(w.ctx, &v1.ObserveRequest{Space: "page", SessionId: "tab-1", FirstSequence: 6, Observations: texts(1, "late")})
	if connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("observing in a closed session: %v", err)
	}
}

// A client that pauses gets no more credits; what it has it may use; and it is
// granted more when it resumes.
func TestPauseHoldsBackCredits(t *testing.T) {
	w := bare(t, engramtest.Start(t))
	s, err := w.memory.ObserveStream(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	send := func(m *v1.ObserveStreamRequest) {
		t.Helper()
		if err := s.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	flow := func(a v1.FlowAction) {
		send(&v1.ObserveStreamRequest{Frame: &v1.ObserveStreamRequest_FlowControl{FlowControl: &v1.FlowControl{Action: a}}})
	}
	send(&v1.ObserveStreamRequest{Frame: &v1.ObserveStreamRequest_Init{Init: &v1.SessionInit{Space: "paused"}}})
	hello, err := s.Receive()
	if err != nil {
		t.Fatal(err)
	}
	granted := hello.GetInitAck().GetCredits().GetThroughSequence()
	if granted == 0 {
		t.Fatal("a first session was granted nothing")
	}
	flow(v1.FlowAction_FLOW_ACTION_PAUSE)
	send(&v1.ObserveStreamRequest{Frame: &v1.ObserveStreamRequest_Observations{Observations: &v1.ObservationBatch{FirstSequence: 1, Observations: texts(int(granted), "inside the grant")}}})
	paused := false
	for visible := uint64(0); visible < granted; {
		m, err := s.Receive()
		if err != nil {
			t.Fatal(err)
		}
		paused = paused || m.GetStatus().GetState() == v1.SessionState_SESSION_STATE_PAUSED
		if m.GetRefusal() != nil {
			t.Fatalf("refused inside the grant: %v", m)
		}
		if a := m.GetAck(); a != nil {
			if a.Credits.GetThroughSequence() != granted {
				t.Fatalf("granted through %d while paused, %d before", a.Credits.GetThroughSequence(), granted)
			}
			if a.Status == v1.AckLevel_ACK_LEVEL_VISIBLE {
				visible = a.ThroughSequence
			}
		}
	}
	if !paused {
		t.Error("the pause was not confirmed")
	}
	flow(v1.FlowAction_FLOW_ACTION_RESUME)
	for {
		m, err := s.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if c := m.GetStatus().GetCredits(); c.GetThroughSequence() > granted {
			break
		}
	}
	send(&v1.ObserveStreamRequest{Frame: &v1.ObserveStreamRequest_Close{Close: &v1.SessionClose{Drain: true, LastSequence: granted}}})
	for {
		m, err := s.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if c := m.GetClosed(); c != nil {
			if c.FinalSequence != granted || c.Accepted != granted {
				t.Fatalf("%v", c)
			}
			return
		}
	}
}

func TestFramesOutOfOrderEndTheStream(t *testing.T) {
	w := bare(t, engramtest.Start(t))
	observations := &v1.ObserveStreamRequest{Frame: &v1.ObserveStreamRequest_Observations{Observations: &v1.ObservationBatch{FirstSequence: 1, Observations: texts(1, "x")}}}
	init := &v1.ObserveStreamRequest{Frame: &v1.ObserveStreamRequest_Init{Init: &v1.SessionInit{Space: "order"}}}
	for name, frames := range map[string][]*v1.ObserveStreamRequest{
		"observations before init": {observations},
		"init twice":               {init, init},
	} {
		s, err := w.memory.ObserveStream(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames {
			if err := s.Send(f); err != nil {
				break // ended meanwhile: Receive says why
			}
		}
		for err = nil; err == nil; {
			_, err = s.Receive()
		}
		if connect.CodeOf(err) != connect.CodeFailedPrecondition {
			t.Errorf("%s: %v", name, err)
		}
		_ = s.Close()
	}
	if _, err := w.memory.Observe(w.ctx, &v1.ObserveRequest{Space: "order", Observations: texts(1, "the server goes on")}); err != nil {
		t.Fatal(err)
	}
}

func TestStatusAndSessions(t *testing.T) {
	w := bare(t, engramtest.Start(t))
	for k := range 3 {
		if _, err := w.memory.Observe(w.ctx, &v1.ObserveRequest{Space: "many", SessionId: fmt.Sprintf("sess-%d", k), FirstSequence: 1, Observations: texts(2, "x")}); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	r := &v1.ListSessionsRequest{Space: "many", PageSize: 2}
	for pages := 0; ; pages++ {
		m, err := w.admin.ListSessions(w.ctx, r)
		if err != nil || pages > 2 {
			t.Fatal(pages, err)
		}
		for _, s := range m.Sessions {
			if s.SessionId != fmt.Sprintf("sess-%d", seen) || s.VisibleSequence != 2 || s.Accepted != 2 {
				t.Errorf("%v", s)
			}
			seen++
		}
		if r.PageToken = m.NextPageToken; r.PageToken == "" {
			break
		}
	}
	if seen != 3 {
		t.Errorf("%d sessions listed, want 3", seen)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	s, err := w.admin.WatchStatus(ctx, &v1.WatchStatusRequest{Interval: durationpb.New(100 * time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		m, err := s.Receive()
		if err != nil || m.Status.ObservationsTotal != 6 || m.Status.State != v1.ServerState_SERVER_STATE_SERVING || len(m.Status.Lanes) != 3 || m.Status.Journal.GetCommits() == 0 {
			t.Fatalf("%v, %v", m, err)
		}
	}
	if _, err := w.admin.GetStatus(w.ctx, &v1.GetStatusRequest{}); err != nil {
		t.Fatal(err)
	}
}
