package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"connectrpc.com/connect/v2/connectproto"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/service/engramtest"
)

// These tests are about peers that are newer than this server: what
// docs/compatibility.md says becomes of the fields and values they send.

// peer speaks the bare contract to one server, method by method.
type peer struct {
	client *connect.Client
	url    string
	http   *http.Client
	ctx    context.Context
}

func newPeer(t *testing.T) peer {
	t.Helper()
	s := engramtest.Start(t)
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: &p}
	t.Cleanup(tr.CloseIdleConnections)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	h := &http.Client{Transport: tr}
	return peer{client: connect.NewClient(connecthttp.NewTransport(h, s.URL)), url: s.URL, http: h, ctx: ctx}
}

// call makes a call and gives its first answer.
func (p peer) call(d protoreflect.MethodDescriptor, req proto.Message) (proto.Message, error) {
	spec := connect.Spec{Schema: d, Procedure: fmt.Sprintf("/%s/%s", d.Parent().FullName(), d.Name())}
	out, err := protoregistry.GlobalTypes.FindMessageByName(d.Output().FullName())
	if err != nil {
		return nil, err
	}
	res := out.New().Interface()
	if !d.IsStreamingServer() {
		spec.StreamType = connect.StreamTypeUnary
		return res, p.client.CallUnary(p.ctx, spec, req, res)
	}
	spec.StreamType = connect.StreamTypeServer
	stream, err := p.client.CallServerStream(p.ctx, spec, req)
	if err != nil {
		return nil, err
	}
	defer stream.Close() //nolint:errcheck // one answer is enough
	return res, stream.Receive(res)
}

// methods lists what the contract has, but for streams in both directions.
func methods() (list []protoreflect.MethodDescriptor) {
	for _, f := range []protoreflect.FileDescriptor{
		v1.File_engram_v1_memory_service_proto, v1.File_engram_v1_space_service_proto, v1.File_engram_v1_admin_service_proto,
	} {
		for s := range f.Services().Len() {
			for m := range f.Services().Get(s).Methods().Len() {
				if d := f.Services().Get(s).Methods().Get(m); !d.IsStreamingClient() {
					list = append(list, d)
				}
			}
		}
	}
	return list
}

// packed is a vector as most clients send it.
func packed() *v1.Embedding {
	return &v1.Embedding{Packed: &v1.PackedVector{Data: []byte{0, 0, 128, 63, 0, 0, 0, 64}, Encoding: v1.VectorEncoding_VECTOR_ENCODING_F32_LE}}
}

func observations() []*v1.Observation {
	return []*v1.Observation{{
		Id: "one", Content: "the kettle", Embedding: packed(), Priority: v1.Priority_PRIORITY_LOW,
		Context:  &v1.ObservationContext{Location: "kitchen"},
		Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{"none": structpb.NewNullValue(), "n": structpb.NewNumberValue(1)}},
	}}
}

// sample is a request that succeeds, with the messages and enums it can carry
// filled in. Its space, and its session, are there.
func (p peer) sample(t *testing.T, d protoreflect.MethodDescriptor, name string) proto.Message {
	t.Helper()
	observe := &v1.ObserveRequest{
		Space: name, SessionId: name, FirstSequence: 1, Observations: observations(),
		WaitFor: v1.AckLevel_ACK_LEVEL_DURABLE, Priority: v1.Priority_PRIORITY_HIGH,
	}
	if d.Name() != "Observe" && d.Name() != "CreateSpace" {
		if _, err := p.call(v1.File_engram_v1_memory_service_proto.Services().ByName("MemoryService").Methods().ByName("Observe"), observe); err != nil {
			t.Fatal(err)
		}
	}
	filter := &v1.Filter{All: []*v1.FilterClause{{Key: "context.location", Test: &v1.FilterClause_Equals{Equals: structpb.NewStringValue("kitchen")}}}}
	recall := &v1.RecallRequest{
		Space: name, Cue: &v1.RecallRequest_Embedding{Embedding: packed()}, Filter: filter,
		Consistency: &v1.Consistency{Mode: &v1.Consistency_AtLeast{AtLeast: 1}}, Include: &v1.Include{},
	}
	samples := map[protoreflect.Name]proto.Message{
		"Observe":          observe,
		"WatchSession":     &v1.WatchSessionRequest{SessionId: name, AckLevels: []v1.AckLevel{v1.AckLevel_ACK_LEVEL_DURABLE}},
		"Recall":           recall,
		"RecallStream":     &v1.RecallStreamRequest{Recall: recall},
		"WatchSpace":       &v1.WatchSpaceRequest{Space: name, SinceGeneration: proto.Uint64(0), Filter: filter, Include: &v1.Include{}},
		"GetObservations":  &v1.GetObservationsRequest{Space: name, Ids: []string{"one"}, Include: &v1.Include{}},
		"ListObservations": &v1.ListObservationsRequest{Space: name, Filter: filter, Include: &v1.Include{}},
		"Forget":           &v1.ForgetRequest{Space: name, Filter: filter},
		"CreateSpace": &v1.CreateSpaceRequest{
			Space: name, Dimension: 2, Metric: v1.Metric_METRIC_DOT, Quotas: &v1.Quotas{}, Retention: &v1.Retention{}, HistoryWindow: durationpb.New(time.Minute),
		},
		"GetSpace":     &v1.GetSpaceRequest{Space: name},
		"ListSpaces":   &v1.ListSpacesRequest{},
		"UpdateSpace":  &v1.UpdateSpaceRequest{Space: name, Quotas: &v1.Quotas{}, Retention: &v1.Retention{}},
		"DeleteSpace":  &v1.DeleteSpaceRequest{Space: name},
		"GetStatus":    &v1.GetStatusRequest{},
		"WatchStatus":  &v1.WatchStatusRequest{},
		"ListSessions": &v1.ListSessionsRequest{Space: name},
		"CloseSession": &v1.CloseSessionRequest{SessionId: name},
		"Checkpoint":   &v1.CheckpointRequest{},
		"Backup":       &v1.BackupRequest{},
	}
	m := samples[d.Name()]
	if m == nil {
		t.Fatalf("%s has no sample in this test", d.FullName())
	}
	return m
}

// unknown is a field of each wire type, with numbers the contract will never
// have.
func unknown() (b []byte) {
	b = protowire.AppendVarint(protowire.AppendTag(b, 99001, protowire.VarintType), 7)
	b = protowire.AppendFixed32(protowire.AppendTag(b, 99002, protowire.Fixed32Type), 7)
	b = protowire.AppendFixed64(protowire.AppendTag(b, 99003, protowire.Fixed64Type), 7)
	return protowire.AppendBytes(protowire.AppendTag(b, 99004, protowire.BytesType), []byte("\xff of a newer peer"))
}

// each calls visit with m and every message below it.
func each(m protoreflect.Message, visit func(protoreflect.Message)) {
	visit(m)
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			if f.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, e protoreflect.Value) bool { each(e.Message(), visit); return true })
			}
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				each(v.List().Get(i).Message(), visit)
			}
		default:
			each(v.Message(), visit)
		}
		return true
	})
}

func setUnknown(m protoreflect.Message) { m.SetUnknown(unknown()) }

// reason is what a call came to: the reason of its error, that of its first
// rejection, or nothing. An error has to name a field.
func reason(t *testing.T, res proto.Message, err error) string {
	t.Helper()
	if err == nil {
		if o, ok := res.(*v1.ObserveResponse); ok && len(o.Rejections) > 0 {
			return o.Rejections[0].Reason
		}
		return ""
	}
	var e *connect.Error
	if !errors.As(err, &e) || e.Code() != connect.CodeInvalidArgument {
		t.Errorf("the call failed with %v", err)
		return "?"
	}
	for _, d := range e.Details() {
		if m, err := connectproto.UnmarshalErrorDetail(d); err == nil {
			if info, ok := m.(*errdetails.ErrorInfo); ok {
				if info.Metadata["field"] == "" {
					t.Errorf("%v: its field is not named", e)
				}
				return info.Reason
			}
		}
	}
	t.Errorf("%v has no ErrorInfo", e)
	return "?"
}

// Fields that this server does not know change nothing, in any message of any
// request.
func TestCompatUnknownFields(t *testing.T) {
	p := newPeer(t)
	for i, d := range methods() {
		t.Run(string(d.Name()), func(t *testing.T) {
			req := p.sample(t, d, fmt.Sprintf("fields-%d", i))
			each(req.ProtoReflect(), setUnknown)
			if res, err := p.call(d, req); err != nil || reason(t, res, err) != "" {
				t.Errorf("%v, %v", res, err)
			}
		})
	}
}

// What becomes of values that this server does not know, for every enum a
// request can carry: "" is what the field left out comes to.
var unknownValues = map[protoreflect.FullName]string{
	"engram.v1.ObserveRequest.wait_for":        "",
	"engram.v1.ObserveRequest.priority":        "",
	"engram.v1.Observation.priority":           "",
	"engram.v1.WatchSessionRequest.ack_levels": "",
	"engram.v1.PackedVector.encoding":          "INVALID_EMBEDDING",
	"engram.v1.CreateSpaceRequest.metric":      "INVALID_FIELD",
	"google.protobuf.Value.null_value":         "",
	// On streams in both directions; see TestCompatStream.
	"engram.v1.SessionInit.priority":   "",
	"engram.v1.SessionInit.ack_levels": "",
	"engram.v1.FlowControl.action":     "",
}

// enumsBelow collects the enums that a message can carry.
func enumsBelow(d protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool, found map[protoreflect.FullName]bool) {
	if seen[d.FullName()] {
		return
	}
	seen[d.FullName()] = true
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		if f.Enum() != nil {
			found[f.FullName()] = true
		}
		if f.Message() != nil {
			enumsBelow(f.Message(), seen, found)
		}
	}
}

func TestCompatUnknownValues(t *testing.T) {
	p := newPeer(t)
	found := map[protoreflect.FullName]bool{}
	for _, name := range []protoreflect.Name{"ObserveStream", "MemoryStream"} {
		enumsBelow(v1.File_engram_v1_memory_service_proto.Services().ByName("MemoryService").Methods().ByName(name).Input(), map[protoreflect.FullName]bool{}, found)
	}
	tried := map[protoreflect.FullName]bool{"engram.v1.SessionInit.priority": true, "engram.v1.SessionInit.ack_levels": true, "engram.v1.FlowControl.action": true}
	for i, d := range methods() {
		here := map[protoreflect.FullName]bool{}
		enumsBelow(d.Input(), map[protoreflect.FullName]bool{}, here)
		n := 0
		for field := range here {
			found[field] = true
			n++
			req := p.sample(t, d, fmt.Sprintf("values-%d-%d", i, n))
			if !setUnknownValue(req, field) {
				continue // another method's sample carries it, see below
			}
			tried[field] = true
			t.Run(fmt.Sprintf("%s/%s", d.Name(), field), func(t *testing.T) {
				res, err := p.call(d, req)
				if got, want := reason(t, res, err), unknownValues[field]; got != want {
					t.Errorf("it came to %q (%v), want %q", got, err, want)
				}
			})
		}
	}
	for field := range found {
		if _, told := unknownValues[field]; !told {
			t.Errorf("%s is not in the table of this test, nor perhaps in docs/compatibility.md", field)
		}
	}
	for field := range unknownValues {
		if !tried[field] {
			t.Errorf("no sample carries %s", field)
		}
	}
}

// setUnknownValue gives an enum, wherever m carries it, a value of a newer peer.
func setUnknownValue(m proto.Message, field protoreflect.FullName) (set bool) {
	each(m.ProtoReflect(), func(m protoreflect.Message) {
		f := m.Descriptor().Fields().ByName(field.Name())
		if f == nil || f.FullName() != field || !m.Has(f) {
			return
		}
		set = true
		if v := protoreflect.ValueOfEnum(99); f.IsList() {
			m.Mutable(f).List().Append(v)
		} else {
			m.Set(f, v)
		}
	})
	return set
}

// A case of a oneof that this server does not know is refused where another
// answer would be one to another question.
func TestCompatUnknownCases(t *testing.T) {
	p := newPeer(t)
	d := v1.File_engram_v1_memory_service_proto.Services().ByName("MemoryService").Methods().ByName("Recall")
	for want, change := range map[string]func(*v1.RecallRequest){
		"INVALID_CUE": func(r *v1.RecallRequest) { r.Cue = nil; setUnknown(r.ProtoReflect()) },
		"UNSUPPORTED": func(r *v1.RecallRequest) { r.Consistency.Mode = nil; setUnknown(r.Consistency.ProtoReflect()) },
		"INVALID_FILTER": func(r *v1.RecallRequest) {
			r.Filter.All[0].Test = nil
			setUnknown(r.Filter.All[0].ProtoReflect())
		},
	} {
		t.Run(want, func(t *testing.T) {
			req := p.sample(t, d, "cases-"+strings.ToLower(want)).(*v1.RecallRequest)
			change(req)
			res, err := p.call(d, req)
			if got := reason(t, res, err); got != want {
				t.Errorf("it came to %q (%v)", got, err)
			}
		})
	}
}

// The same in JSON, where a newer peer's values are names.
func TestCompatJSON(t *testing.T) {
	p := newPeer(t)
	for body, want := range map[string]int{
		`{"space":"notes","later":{"a":[1]},"waitFor":"ACK_LEVEL_REPLICATED","observations":[{"content":"x","mood":3,"priority":"PRIORITY_URGENT"}]}`: http.StatusOK,
		`{"space":"notes","waitFor":99,"observations":[{"content":"x","priority":99}]}`:                                                               http.StatusOK,
	} {
		res, err := p.http.Post(p.url+"/engram.v1.MemoryService/Observe", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(res.Body)
		if err = errors.Join(err, res.Body.Close()); err != nil || res.StatusCode != want || !strings.Contains(string(said), "observationIds") {
			t.Errorf("%s: %d %s (%v)", body, res.StatusCode, said, err)
		}
	}
}

// On a stream, frames, fields and values of a newer client are stepped over,
// and what is known beside them is done.
func TestCompatStream(t *testing.T) {
	p := newPeer(t)
	for _, name := range []protoreflect.Name{"ObserveStream", "MemoryStream"} {
		t.Run(string(name), func(t *testing.T) {
			d := v1.File_engram_v1_memory_service_proto.Services().ByName("MemoryService").Methods().ByName(name)
			open := func() connect.ClientStream {
				s, err := p.client.CallClientStream(p.ctx, connect.Spec{
					StreamType: connect.StreamTypeBidi, Schema: d, Procedure: "/engram.v1.MemoryService/" + string(name),
				})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = s.Close() }) // the stream is over
				return s
			}
			// The frames of the two streams have the same numbers.
			send := func(s connect.ClientStream, m *v1.MemoryStreamRequest) {
				t.Helper()
				if err := s.Send(m); err != nil {
					t.Fatal(err)
				}
			}
			newer := &v1.MemoryStreamRequest{}
			setUnknown(newer.ProtoReflect())

			s := open()
			init := &v1.SessionInit{
				Space: "newer-" + strings.ToLower(string(name)), Priority: 99,
				AckLevels: []v1.AckLevel{99, v1.AckLevel_ACK_LEVEL_DURABLE, -1},
			}
			setUnknown(init.ProtoReflect())
			send(s, &v1.MemoryStreamRequest{Frame: &v1.MemoryStreamRequest_Init{Init: init}})
			send(s, newer)
			send(s, &v1.MemoryStreamRequest{Frame: &v1.MemoryStreamRequest_FlowControl{FlowControl: &v1.FlowControl{Action: 99}}})
			batch := &v1.ObservationBatch{FirstSequence: 1, Observations: append(observations(), &v1.Observation{
				Id: "two", Embedding: &v1.Embedding{Packed: &v1.PackedVector{Data: []byte{1, 2, 3, 4}, Encoding: 99}},
			})}
			batch.Observations[0].Priority = 99
			each(batch.ProtoReflect(), setUnknown)
			send(s, &v1.MemoryStreamRequest{Frame: &v1.MemoryStreamRequest_Observations{Observations: batch}})
			send(s, newer)
			send(s, &v1.MemoryStreamRequest{Frame: &v1.MemoryStreamRequest_Close{Close: &v1.SessionClose{Drain: true, LastSequence: 2}}})
			var rejected string
			for {
				var m v1.MemoryStreamResponse
				if err := s.Receive(&m); err != nil {
					t.Fatalf("the stream ended before closed: %v", err)
				}
				if r := m.GetRejection(); r != nil {
					rejected = fmt.Sprintf("%d %s", r.Sequence, r.Reason)
				}
				if a := m.GetAck(); a != nil && a.Status != v1.AckLevel_ACK_LEVEL_DURABLE {
					t.Errorf("an ack of level %v, which nobody asked for", a.Status)
				}
				if c := m.GetClosed(); c != nil {
					if c.Accepted != 1 || c.Rejected != 1 || rejected != "2 INVALID_EMBEDDING" {
						t.Errorf("%v; the rejection was %q", c, rejected)
					}
					break
				}
			}

			first := open()
			send(first, newer)
			if err := first.Receive(&v1.MemoryStreamResponse{}); connect.CodeOf(err) != connect.CodeFailedPrecondition {
				t.Errorf("a stream that begins with an unknown frame: %v", err)
			}
		})
	}
}
