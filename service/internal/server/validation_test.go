package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"connectrpc.com/connect/v2/connectproto"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/gen/go/engram/v1/engramv1connect"
)

// told is what a client can read of an error.
type told struct{ code, reason, field, text string }

func tell(t *testing.T, err error) told {
	t.Helper()
	var ce *connect.Error
	if !errors.As(err, &ce) {
		t.Fatalf("not an error of a call: %v", err)
	}
	out := told{code: ce.Code().String(), text: ce.Message()}
	for _, d := range ce.Details() {
		m, err := connectproto.UnmarshalErrorDetail(d)
		if err != nil {
			t.Fatalf("a detail of type %s: %v", d.Type, err)
		}
		if info, ok := m.(*errdetails.ErrorInfo); ok {
			if out.reason != "" {
				t.Error("two ErrorInfos")
			}
			out.reason, out.field = info.Reason, info.Metadata["field"]
		}
	}
	return out
}

// What breaks a rule of the contract is an error like all others, by every
// protocol, of calls and of streams.
func TestBrokenRulesAreTold(t *testing.T) {
	s := start(t, nil)
	name := "A" + strings.Repeat("x", 70)
	manyIDs := make([]string, 1001)
	cue := &v1.RecallRequest_Text{Text: "x"}
	const badName = `" (71 bytes); it must be 3 to 64 of [a-z0-9_-]`
	for _, p := range []struct {
		name  string
		http2 bool
		opts  []connecthttp.Option
	}{
		{"connect over HTTP/1.1", false, nil},
		{"connect over HTTP/2", true, nil},
		{"connect JSON", false, []connecthttp.Option{connecthttp.WithProtoJSON()}},
		{"connect GET", false, []connecthttp.Option{connecthttp.WithHTTPGet()}},
		{"gRPC", true, []connecthttp.Option{connecthttp.WithGRPC()}},
		{"gRPC-Web", false, []connecthttp.Option{connecthttp.WithGRPCWeb()}},
	} {
		c := connect.NewClient(connecthttp.NewTransport(client(t, p.http2), s.url, p.opts...))
		m, spaces := engramv1connect.NewMemoryServiceClient(c), engramv1connect.NewSpaceServiceClient(c)
		for _, x := range []struct {
			name string
			call func(context.Context) error
			want told
		}{
			{"a space's name", func(ctx context.Context) error {
				_, err := m.Observe(ctx, &v1.ObserveRequest{Space: name, Observations: []*v1.Observation{{Content: "x"}}})
				return err
			}, told{"invalid_argument", "INVALID_NAME", "space", `space is "` + name + badName}},
			{"no space", func(ctx context.Context) error {
				_, err := m.Recall(ctx, &v1.RecallRequest{Cue: cue})
				return err
			}, told{"invalid_argument", "INVALID_NAME", "space", `space is "" (0 bytes); it must be 3 to 64 of [a-z0-9_-]`}},
			{"a session's name", func(ctx context.Context) error {
				_, err := m.Observe(ctx, &v1.ObserveRequest{Space: "notes", SessionId: name})
				return err
			}, told{"invalid_argument", "INVALID_NAME", "session_id", `session_id is "` + name + badName}},
			{"a limit", func(ctx context.Context) error {
				_, err := m.Recall(ctx, &v1.RecallRequest{Space: "notes", Cue: cue, Limit: 10_001})
				return err
			}, told{"invalid_argument", "INVALID_FIELD", "limit", "limit is 10001; the limit is 10000"}},
			{"a page's size", func(ctx context.Context) error {
				_, err := m.ListObservations(ctx, &v1.ListObservationsRequest{Space: "notes", PageSize: 5000})
				return err
			}, told{"invalid_argument", "INVALID_FIELD", "page_size", "page_size is 5000; the limit is 1000"}},
			{"no ids", func(ctx context.Context) error {
				_, err := m.GetObservations(ctx, &v1.GetObservationsRequest{Space: "notes"})
				return err
			}, told{"invalid_argument", "INVALID_FIELD", "ids", "ids has 0 elements; it must have at least 1"}},
			{"too many ids", func(ctx context.Context) error {
				_, err := m.GetObservations(ctx, &v1.GetObservationsRequest{Space: "notes", Ids: manyIDs})
				return err
			}, told{"invalid_argument", "TOO_LARGE", "ids", "ids has 1001 elements; the limit is 1000"}},
			{"an ack level", func(ctx context.Context) error {
				_, err := m.Observe(ctx, &v1.ObserveRequest{Space: "notes", WaitFor: v1.AckLevel_ACK_LEVEL_ACCEPTED})
				return err
			}, told{"invalid_argument", "INVALID_FIELD", "wait_for", "wait_for is ACK_LEVEL_ACCEPTED, which it must not be"}},
			{"a metric", func(ctx context.Context) error {
				_, err := spaces.CreateSpace(ctx, &v1.CreateSpaceRequest{Space: "notes", Metric: 77})
				return err
			}, told{"invalid_argument", "INVALID_FIELD", "metric", "metric is 77, which this server does not know"}},
			{"a dimension, and a name", func(ctx context.Context) error {
				_, err := spaces.CreateSpace(ctx, &v1.CreateSpaceRequest{Space: "x", Dimension: 5000})
				return err
			}, told{"invalid_argument", "INVALID_NAME", "space", `space is "x" (1 bytes); it must be 3 to 64 of [a-z0-9_-]; dimension is 5000; the limit is 4096`}},
			{"a stream's limit", func(ctx context.Context) error {
				st, err := m.RecallStream(ctx, &v1.RecallStreamRequest{Recall: &v1.RecallRequest{Space: "notes", Cue: cue, Limit: 10_001}})
				if err != nil {
					return err
				}
				return first(st.Receive, st.Close)
			}, told{"invalid_argument", "INVALID_FIELD", "recall.limit", "recall.limit is 10001; the limit is 10000"}},
			{"a stream's cue", func(ctx context.Context) error {
				st, err := m.RecallStream(ctx, &v1.RecallStreamRequest{})
				if err != nil {
					return err
				}
				return first(st.Receive, st.Close)
			}, told{"invalid_argument", "INVALID_CUE", "recall", "recall is not set"}},
			{"a watched space", func(ctx context.Context) error {
				st, err := m.WatchSpace(ctx, &v1.WatchSpaceRequest{Space: "?"})
				if err != nil {
					return err
				}
				return first(st.Receive, st.Close)
			}, told{"invalid_argument", "INVALID_NAME", "space", `space is "?" (1 bytes); it must be 3 to 64 of [a-z0-9_-]`}},
		} {
			t.Run(p.name+"/"+x.name, func(t *testing.T) {
				if got := tell(t, x.call(t.Context())); got != x.want {
					t.Errorf("told %+v\nwant %+v", got, x.want)
				}
			})
		}
	}
}

func first[M any](receive func() (M, error), end func() error) error {
	_, err := receive()
	return errors.Join(err, end())
}

// What is wrong with a frame is told in-band, and the stream goes on.
func TestBrokenRulesLeaveAStreamAlone(t *testing.T) {
	s := start(t, nil)
	for _, grpc := range []bool{false, true} {
		var opts []connecthttp.Option
		if grpc {
			opts = append(opts, connecthttp.WithGRPC())
		}
		m := engramv1connect.NewMemoryServiceClient(connect.NewClient(connecthttp.NewTransport(client(t, true), s.url, opts...)))
		st, err := m.MemoryStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		recall := func(id uint64, r *v1.RecallRequest) *v1.MemoryStreamRequest {
			return &v1.MemoryStreamRequest{Frame: &v1.MemoryStreamRequest_Recall{Recall: &v1.StreamRecall{RequestId: id, Recall: r}}}
		}
		cue := &v1.RecallRequest_Text{Text: "one"}
		for _, f := range []*v1.MemoryStreamRequest{
			{Frame: &v1.MemoryStreamRequest_Init{Init: &v1.SessionInit{Space: "frames"}}},
			{Frame: &v1.MemoryStreamRequest_Observations{Observations: &v1.ObservationBatch{FirstSequence: 1, Observations: []*v1.Observation{
				{Content: "one"}, {Content: "two", Importance: 7}, {Id: strings.Repeat("x", 200), Content: "three"},
			}}}},
			recall(1, &v1.RecallRequest{Cue: cue, Limit: 10_001}),
			recall(2, &v1.RecallRequest{Cue: cue, Effort: 10_001}),
			recall(3, &v1.RecallRequest{Cue: cue, Space: "NO"}),
			recall(4, nil),
			recall(5, &v1.RecallRequest{Cue: cue}),
		} {
			if err := st.Send(f); err != nil {
				t.Fatal(err)
			}
		}
		rejected, failed, found := map[uint64]string{}, map[uint64]string{}, 0
		answers := 0
		var closed *v1.Closed
		for {
			f, err := st.Receive()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if r := f.GetRejection(); r != nil {
				rejected[r.Sequence] = r.Reason
			}
			if r := f.GetRecallResults(); r != nil {
				if r.Error != nil {
					failed[r.RequestId] = r.Error.Reason
				}
				found += len(r.Results)
				if answers++; answers == 5 {
					if err := st.Send(&v1.MemoryStreamRequest{Frame: &v1.MemoryStreamRequest_Close{Close: &v1.SessionClose{Drain: true, LastSequence: 3}}}); err != nil {
						t.Fatal(err)
					}
				}
			}
			if f.GetClosed() != nil {
				closed = f.GetClosed()
			}
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		if rejected[2] != "INVALID_FIELD" || rejected[3] != "INVALID_ID" || len(rejected) != 2 {
			t.Errorf("rejected %v", rejected)
		}
		if failed[1] != "INVALID_FIELD" || failed[2] != "INVALID_FIELD" || failed[3] != "SESSION_WRONG_SPACE" || failed[4] != "INVALID_CUE" || len(failed) != 4 {
			t.Errorf("failed %v", failed)
		}
		if found == 0 || closed.GetAccepted() == 0 {
			t.Errorf("%d found, closed with %v", found, closed)
		}
	}
}

// What cannot be decoded at all is told in the same form.
func TestUndecodableIsTold(t *testing.T) {
	s := start(t, nil)
	res, err := client(t, false).Post(s.url+"/engram.v1.MemoryService/Observe", "application/proto", strings.NewReader("\xff\xff"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "google.rpc.ErrorInfo") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}
