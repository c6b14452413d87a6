package engram_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/gen/go/engram/v1/engramv1connect"
	engram "github.com/engram-stream/engram/sdk/go"
)

// These tests are about servers that are newer than the SDK: they send fields,
// enum values and frames that it does not know.

// newer puts unknown fields of every wire type into m and all below it.
func newer[M proto.Message](m M) M {
	var into func(protoreflect.Message)
	into = func(m protoreflect.Message) {
		b := protowire.AppendVarint(protowire.AppendTag(nil, 99001, protowire.VarintType), 7)
		b = protowire.AppendFixed64(protowire.AppendTag(b, 99002, protowire.Fixed64Type), 7)
		m.SetUnknown(protowire.AppendBytes(protowire.AppendTag(b, 99003, protowire.BytesType), []byte("\xff of a newer peer")))
		m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			switch {
			case f.Message() == nil || f.IsMap():
			case f.IsList():
				for i := range v.List().Len() {
					into(v.List().Get(i).Message())
				}
			default:
				into(v.Message())
			}
			return true
		})
	}
	into(m.ProtoReflect())
	return m
}

// A session goes on over unknown frames, states, levels and reasons, and tells
// of them what can be told; none of them counts as something else.
func TestCompatNewerServerStreams(t *testing.T) {
	m := newModel(t, func(s *stream) error {
		known := s.send
		s.send = func(f *v1.MemoryStreamResponse) error {
			if err := known(newer(f)); err != nil || f.GetInitAck() != nil {
				return err
			}
			return known(newer(&v1.MemoryStreamResponse{})) // a frame of a kind that is not known
		}
		if err := s.welcome(roomy); err != nil {
			return err
		}
		if s.n == 1 {
			if err := s.ack(1_000_000, roomy, 99); err != nil {
				return err
			}
			st := &v1.SessionStatus{State: 99, Cause: "a cause of its own", Pressure: 0.5, Credits: roomy}
			if err := s.send(&v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_Status{Status: st}}); err != nil {
				return err
			}
			f, err := s.receive()
			if err != nil {
				return err
			}
			if _, err := s.keep(f.GetObservations()); err != nil {
				return err
			}
			return s.send(&v1.MemoryStreamResponse{Frame: &v1.MemoryStreamResponse_GoAway{GoAway: &v1.GoAway{Reason: "REBALANCED", Resumable: true}}})
		}
		return s.serve()
	})
	var levels []engram.Level
	states := make(chan string, 1)
	c, ctx := dial(t, m)
	s, err := c.OpenSession(ctx, "notes", engram.OnStatus(func(st engram.Status) { states <- st.State + " " + st.Cause }),
		engram.OnAck(func(l engram.Level, _, _ uint64) { levels = append(levels, l) }))
	if err != nil {
		t.Fatal(err)
	}
	observe(t, ctx, s, 1, 40)
	if _, err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	m.want(t, 40)
	if got := s.Stats(); got.Reconnects != 1 || got.Durable != 40 {
		t.Errorf("%+v", got)
	}
	if got := <-states; got != "99 a cause of its own" {
		t.Errorf("the state is told as %q", got)
	}
	if !slices.Contains(levels, 99) || !slices.Contains(levels, engram.Visible) {
		t.Errorf("acks of levels %v were told", levels)
	}
}

// newerServer answers single calls with unknown fields and values.
type newerServer struct {
	engramv1connect.UnimplementedMemoryServiceHandler
	engramv1connect.UnimplementedSpaceServiceHandler
	engramv1connect.UnimplementedAdminServiceHandler
}

func newerObservation() *v1.Observation {
	return &v1.Observation{
		Id: "one", Content: "the kettle", Priority: 99, Embedding: &v1.Embedding{Values: []float32{1, 2}},
		Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{"n": structpb.NewNumberValue(1)}},
	}
}

func (newerServer) Observe(context.Context, *v1.ObserveRequest) (*v1.ObserveResponse, error) {
	return newer(&v1.ObserveResponse{ObservationIds: []string{"one", ""}, Rejections: []*v1.Rejection{{Sequence: 2, Reason: "TOO_SAD", Message: "m"}}}), nil
}

func (newerServer) Recall(context.Context, *v1.RecallRequest) (*v1.RecallResponse, error) {
	return newer(&v1.RecallResponse{Results: []*v1.RecallResult{{Observation: newerObservation(), Similarity: 0.5}}, Snapshot: &v1.Snapshot{Generation: 7}}), nil
}

func (newerServer) WatchSpace(_ context.Context, _ *v1.WatchSpaceRequest, s engramv1connect.MemoryServiceWatchSpaceServerStream) error {
	return s.Send(newer(&v1.WatchSpaceResponse{Observations: []*v1.StoredObservation{{Observation: newerObservation()}}}))
}

func (newerServer) GetSpace(context.Context, *v1.GetSpaceRequest) (*v1.GetSpaceResponse, error) {
	return newer(&v1.GetSpaceResponse{Space: &v1.Space{
		Id: "notes", Metric: 99, State: 99, Index: &v1.IndexStatus{ScannedBy: 99, CodeRecall: 0.5, Policy: -1}, Memory: &v1.SpaceMemory{Used: 8},
	}}), nil
}

func (newerServer) GetStatus(context.Context, *v1.GetStatusRequest) (*v1.GetStatusResponse, error) {
	return newer(&v1.GetStatusResponse{Status: &v1.ServerStatus{
		State: 99, Lanes: []*v1.LaneStatus{{Priority: 99}}, Memory: &v1.MemoryStatus{Level: 99, Used: 8},
		Journal: &v1.JournalStatus{DiskLevel: 99}, IndexPolicies: []*v1.IndexPolicyStatus{{Policy: 99, Spaces: 3}},
	}}), nil
}

func (newerServer) DeleteSpace(context.Context, *v1.DeleteSpaceRequest) (*v1.DeleteSpaceResponse, error) {
	return nil, fail(connect.CodeFailedPrecondition, "LEGAL_HOLD", 0)
}

// Answers with unknown fields and values are read for what is known in them; a
// value is told as it is, and never as a known one.
func TestCompatNewerServerAnswers(t *testing.T) {
	server := connect.NewServer()
	engramv1connect.RegisterMemoryServiceHandler(server, newerServer{})
	engramv1connect.RegisterSpaceServiceHandler(server, newerServer{})
	engramv1connect.RegisterAdminServiceHandler(server, newerServer{})
	mux := http.NewServeMux()
	connecthttp.Mount(mux, server)
	h := httptest.NewUnstartedServer(mux)
	h.Config.Protocols = new(http.Protocols)
	h.Config.Protocols.SetUnencryptedHTTP2(true)
	h.Start()
	t.Cleanup(h.Close)
	for name, opts := range map[string][]engram.Option{"connect": nil, "grpc": {engram.WithGRPC()}} {
		t.Run(name, func(t *testing.T) {
			c, err := engram.Dial(h.URL, opts...)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			ctx := t.Context()
			check := func(o engram.Observation) {
				t.Helper()
				if o.ID != "one" || o.Content != "the kettle" || !slices.Equal(o.Vector, []float32{1, 2}) || o.Metadata["n"] != 1.0 || o.Priority != 99 {
					t.Errorf("%+v", o)
				}
			}
			if o, err := c.Observe(ctx, "notes", []engram.Observation{{Content: "a"}, {Content: "b"}}); err != nil || len(o.IDs) != 2 || o.Rejections[0].Reason != "TOO_SAD" {
				t.Errorf("%+v, %v", o, err)
			}
			r, err := c.Recall(ctx, "notes", engram.ByText("kettle"))
			if err != nil || r.Generation != 7 || len(r.Results) != 1 {
				t.Fatalf("%+v, %v", r, err)
			}
			check(r.Results[0].Observation)
			for st, err := range c.WatchSpace(ctx, "notes", nil, nil) {
				if err != nil {
					t.Fatal(err)
				}
				check(st.Observation)
				break
			}
			if sp, err := c.GetSpace(ctx, "notes"); err != nil || sp.ID != "notes" || sp.Metric != 99 || !strings.Contains(sp.Metric.String(), "99") {
				t.Errorf("%+v, %v", sp, err)
			} else if x := sp.Index; x.ScannedBy.String() != "codes 99" || x.Policy.String() != "policy -1" || x.CodeRecall != 0.5 || sp.Memory.Used != 8 {
				t.Errorf("%+v, %+v", x, sp.Memory)
			}
			if st, err := c.Status(ctx); err != nil || st.State != 99 || st.Lanes[0].Priority != 99 {
				t.Errorf("%+v, %v", st, err)
			} else if p := st.IndexPolicies[0]; st.Memory.Level != 99 || st.Memory.Used != 8 || st.Journal.DiskLevel != 99 || p.Policy != 99 || p.Spaces != 3 {
				t.Errorf("%+v", st)
			}
			if _, err := c.DeleteSpace(ctx, "notes"); engram.ReasonOf(err) != "LEGAL_HOLD" {
				t.Errorf("%v", err)
			}
		})
	}
}
