package engramtest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/gen/go/engram/v1/engramv1connect"
	"github.com/engram-stream/engram/service/engramtest"
)

func initFrame(space string) *v1.MemoryStreamRequest {
	return &v1.MemoryStreamRequest{Frame: &v1.MemoryStreamRequest_Init{Init: &v1.SessionInit{Space: space}}}
}

func batchFrame(first uint64, list []*v1.Observation) *v1.MemoryStreamRequest {
	return &v1.MemoryStreamRequest{Frame: &v1.MemoryStreamRequest_Observations{Observations: &v1.ObservationBatch{FirstSequence: first, Observations: list}}}
}

func closeFrame(drain bool, last uint64) *v1.MemoryStreamRequest {
	return &v1.MemoryStreamRequest{Frame: &v1.MemoryStreamRequest_Close{Close: &v1.SessionClose{Drain: drain, LastSequence: last}}}
}

func recallFrame(id uint64) *v1.MemoryStreamRequest {
	return &v1.MemoryStreamRequest{Frame: &v1.MemoryStreamRequest_Recall{Recall: &v1.StreamRecall{RequestId: id, Recall: &v1.RecallRequest{Cue: &v1.RecallRequest_Text{Text: "note"}}}}}
}

func spacesOf(t *testing.T, s *engramtest.Server) engramv1connect.SpaceServiceClient {
	t.Helper()
	hc := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(hc.CloseIdleConnections)
	return engramv1connect.NewSpaceServiceClient(connect.NewClient(connecthttp.NewTransport(hc, s.URL)))
}

// However little a client sends, its stream ends well and promptly.
func TestStreamsEndWell(t *testing.T) {
	w := bare(t, engramtest.Start(t))
	invalid := texts(3, "bad")
	for _, o := range invalid {
		o.Importance = 7
	}
	for name, c := range map[string]struct {
		frames              []*v1.MemoryStreamRequest
		half                bool
		closed              bool
		rejections, visible int
		duplicates          int
	}{
		"half-close after init":      {half: true},
		"close without drain":        {frames: []*v1.MemoryStreamRequest{closeFrame(false, 0)}},
		"drain with nothing sent":    {frames: []*v1.MemoryStreamRequest{closeFrame(true, 0)}, closed: true},
		"an empty batch":             {frames: []*v1.MemoryStreamRequest{batchFrame(1, nil), closeFrame(true, 0)}, closed: true},
		"only rejections":            {frames: []*v1.MemoryStreamRequest{batchFrame(1, invalid), closeFrame(true, 3)}, closed: true, rejections: 3, visible: 3},
		"a batch of duplicates":      {frames: []*v1.MemoryStreamRequest{batchFrame(1, texts(2, "note")), batchFrame(1, texts(2, "note")), closeFrame(true, 2)}, closed: true, visible: 2, duplicates: 2},
		"half-close without close":   {frames: []*v1.MemoryStreamRequest{batchFrame(1, texts(2, "note"))}, half: true, visible: 2},
		"a recall before all else":   {frames: []*v1.MemoryStreamRequest{recallFrame(1), batchFrame(1, texts(1, "note")), closeFrame(true, 1)}, closed: true, visible: 1},
		"rejections and kept, mixed": {frames: []*v1.MemoryStreamRequest{batchFrame(1, append(texts(1, "note"), append(invalid[:1:1], texts(1, "note")...)...)), closeFrame(true, 3)}, closed: true, rejections: 1, visible: 3},
		"straddling what is known":   {frames: []*v1.MemoryStreamRequest{batchFrame(1, texts(2, "note")), batchFrame(2, texts(3, "note")), closeFrame(true, 4)}, closed: true, visible: 4, duplicates: 1},
		"drain announced beforehand": {frames: []*v1.MemoryStreamRequest{closeFrame(true, 2), batchFrame(1, texts(2, "note"))}, closed: true, visible: 2},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(w.ctx, 20*time.Second)
			defer cancel()
			s, err := w.memory.MemoryStream(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for _, f := range append([]*v1.MemoryStreamRequest{initFrame("endings")}, c.frames...) {
				if err := s.Send(f); err != nil {
					t.Fatal(err)
				}
			}
			if c.half {
				if err := s.CloseSend(); err != nil {
					t.Fatal(err)
				}
			}
			var rejections, visible int
			var closed *v1.Closed
			for {
				m, err := s.Receive()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if m.GetRejection() != nil {
					rejections++
				}
				if a := m.GetAck(); a.GetStatus() == v1.AckLevel_ACK_LEVEL_VISIBLE {
					visible = int(a.ThroughSequence)
				}
				if m.GetClosed() != nil {
					closed = m.GetClosed()
				}
				if r := m.GetRecallResults(); r != nil && r.Error != nil {
					t.Errorf("the recall failed: %v", r.Error)
				}
			}
			if rejections != c.rejections || visible != c.visible || (closed != nil) != c.closed {
				t.Errorf("%d rejections, visible through %d, %v", rejections, visible, closed)
			}
			if closed != nil && (int(closed.Duplicates) != c.duplicates || int(closed.Rejected) != c.rejections || int(closed.FinalSequence) != c.visible) {
				t.Errorf("%v", closed)
			}
		})
	}
}

// Whoever is busy with a space that is deleted is told, and the name can be
// used again at once.
func TestDeletingASpaceInUse(t *testing.T) {
	srv := engramtest.Start(t)
	w, spaces := bare(t, srv), spacesOf(t, srv)
	if _, err := w.memory.Observe(w.ctx, &v1.ObserveRequest{Space: "busy", Observations: texts(2, "note")}); err != nil {
		t.Fatal(err)
	}
	s, err := w.memory.MemoryStream(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, f := range []*v1.MemoryStreamRequest{initFrame("busy"), batchFrame(1, texts(1, "streamed"))} {
		if err := s.Send(f); err != nil {
			t.Fatal(err)
		}
	}
	for visible := false; !visible; {
		m, err := s.Receive()
		if err != nil {
			t.Fatal(err)
		}
		visible = m.GetAck().GetStatus() == v1.AckLevel_ACK_LEVEL_VISIBLE
	}
	since := uint64(0)
	watch, err := w.memory.WatchSpace(w.ctx, &v1.WatchSpaceRequest{Space: "busy", SinceGeneration: &since})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	if _, err := watch.Receive(); err != nil {
		t.Fatal(err)
	}
	if _, err := spaces.DeleteSpace(w.ctx, &v1.DeleteSpaceRequest{Space: "busy"}); err != nil {
		t.Fatal(err)
	}
	again, err := w.memory.Observe(w.ctx, &v1.ObserveRequest{Space: "busy", Observations: texts(1, "second life")})
	if err != nil || again.Generation != 5 {
		t.Fatalf("%v, %v", again, err)
	}
	for err = nil; err == nil; {
		_, err = watch.Receive()
	}
	if connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("the watcher ended with %v", err)
	}
	var away *v1.GoAway
	for err = nil; err == nil; {
		var m *v1.MemoryStreamResponse
		if m, err = s.Receive(); m.GetGoAway() != nil {
			away = m.GetGoAway()
		}
	}
	if !errors.Is(err, io.EOF) || away == nil || away.Resumable || away.Reason != "SPACE_DELETED" {
		t.Errorf("the stream ended with %v, and was told %v", err, away)
	}
}
