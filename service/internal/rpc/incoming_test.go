package rpc

import (
	"context"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/service/internal/engine"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

var at = time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)

// converted reads a batch on its own.
func converted(list ...*v1.Observation) []engine.Incoming {
	p := parcel(list)
	incoming(context.Background(), p, list, at)
	return p.In
}

// one reads an observation on its own.
func one(m *v1.Observation, received time.Time) (*memory.Observation, *fault.Error) {
	o := &memory.Observation{}
	return o, observation(o, m, new(floats), received)
}

// full is an observation with every field set.
func full(t testing.TB, e *v1.Embedding) *v1.Observation {
	meta, err := structpb.NewStruct(map[string]any{
		"colour": "red", "weight": 1.5, "ripe": true, "none": nil, "tags": []any{"a", 2.0, map[string]any{"deep": false}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &v1.Observation{
		Id: "pear-1", Content: "a pear", Embedding: e, ObservedAt: timestamppb.New(at), Confidence: proto.Float32(0), Importance: .25,
		Context:          &v1.ObservationContext{Location: "garden", Participants: []string{"ann", "ben"}, Reason: "harvest", Method: "eyes"},
		EmotionalValence: -.5, DecayRate: 2, Metadata: meta, Priority: v1.Priority_PRIORITY_LOW, ExpiresAt: timestamppb.New(at.Add(time.Hour)),
		Replace: true, Traceparent: parent, Tracestate: "vendor=1",
	}
}

func TestObservationRoundTrip(t *testing.T) {
	packed := func(e v1.VectorEncoding, data ...byte) *v1.Embedding {
		return &v1.Embedding{Packed: &v1.PackedVector{Data: data, Encoding: e}}
	}
	forms := map[string]struct {
		sent *v1.Embedding
		want []float32
		code memory.Encoding
	}{
		"values": {&v1.Embedding{Values: []float32{1, -2.5, 0}}, []float32{1, -2.5, 0}, memory.EncodingValues},
		"f32": {packed(v1.VectorEncoding_VECTOR_ENCODING_F32_LE, 0, 0, 128, 63, 0, 0, 0, 192),
			[]float32{1, -2}, memory.EncodingF32Bytes},
		"f16": {packed(v1.VectorEncoding_VECTOR_ENCODING_F16_LE, 0, 60, 0, 192, 1, 0),
			[]float32{1, -2, float32(math.Ldexp(1, -24))}, memory.EncodingF16Bytes},
	}
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			sent := full(t, form.sent)
			// A field that is added to the contract has to be carried, too.
			for i := range sent.ProtoReflect().Descriptor().Fields().Len() {
				fd := sent.ProtoReflect().Descriptor().Fields().Get(i)
				if !sent.ProtoReflect().Has(fd) {
					t.Errorf("the test does not set %s", fd.Name())
				}
			}
			o, f := one(sent, at.Add(time.Minute))
			if f != nil {
				t.Fatal(f)
			}
			if !slices.Equal(o.Vector, form.want) || o.Encoding != form.code {
				t.Errorf("vector %v as %d, want %v as %d", o.Vector, o.Encoding, form.want, form.code)
			}
			if o.Digest == ([16]byte{}) {
				t.Error("no digest")
			}
			got, err := outgoing(o, everything)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(sent, got, protocmp.Transform()); diff != "" {
				t.Errorf("what comes back differs (-sent +got):\n%s", diff)
			}
		})
	}
}

func TestPartsOfAnAnswer(t *testing.T) {
	o, f := one(full(t, &v1.Embedding{Values: []float32{1, 2}}), at)
	if f != nil {
		t.Fatal(f)
	}
	cases := map[string]struct {
		ask  *v1.Include
		want parts
	}{
		"nothing said": {nil, withoutVector},
		"none":         {&v1.Include{}, parts{}},
		"vector":       {&v1.Include{Embedding: true}, parts{embedding: true}},
		"content":      {&v1.Include{Content: true}, parts{content: true}},
		"metadata":     {&v1.Include{Metadata: true}, parts{metadata: true}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m, err := outgoing(o, include(c.ask, withoutVector))
			if err != nil {
				t.Fatal(err)
			}
			got := parts{m.Content != "", m.Embedding != nil, m.Metadata != nil && m.Context != nil}
			if got != c.want || (!c.want.metadata && (m.Metadata != nil || m.Context != nil)) || m.Id != "pear-1" {
				t.Errorf("carries %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	o, f := one(&v1.Observation{Content: "x", Priority: 99}, at)
	if f != nil {
		t.Fatal(f)
	}
	want := &memory.Observation{Content: "x", Confidence: memory.DefaultConfidence, ObservedAt: at, Priority: memory.LaneNormal}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("%+v, want %+v", o, want)
	}
	// A retry is received later and is still the same observation.
	var digests [2][16]byte
	for i := range digests {
		o, f := one(&v1.Observation{Id: "a", Content: "x"}, at.Add(time.Duration(i)*time.Hour))
		if f != nil {
			t.Fatal(f)
		}
		digests[i] = o.Digest
	}
	if digests[0] != digests[1] {
		t.Error("the digest depends on the time of receipt")
	}
}

// nested is a value of lists within lists.
func nested(depth int) *structpb.Value {
	v := structpb.NewNullValue()
	for range depth {
		v = structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{v}})
	}
	return v
}

func meta(v *structpb.Value) *v1.Observation {
	return &v1.Observation{Content: "x", Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{"k": v}}}
}

func TestFaultsOfObservations(t *testing.T) {
	vec := func(e v1.VectorEncoding, n int) *v1.Observation {
		return &v1.Observation{Embedding: &v1.Embedding{Packed: &v1.PackedVector{Encoding: e, Data: make([]byte, n)}}}
	}
	both := vec(v1.VectorEncoding_VECTOR_ENCODING_F32_LE, 8)
	both.Embedding.Values = []float32{1}
	cases := []struct {
		name   string
		m      *v1.Observation
		reason fault.Reason
		field  string
	}{
		{"nil", nil, fault.EmptyObservation, ""},
		{"both forms", both, fault.InvalidEmbedding, "embedding"},
		{"half a float", vec(v1.VectorEncoding_VECTOR_ENCODING_F32_LE, 6), fault.InvalidEmbedding, "embedding"},
		{"half a half", vec(v1.VectorEncoding_VECTOR_ENCODING_F16_LE, 3), fault.InvalidEmbedding, "embedding"},
		{"no encoding", vec(0, 8), fault.InvalidEmbedding, "embedding"},
		{"an encoding of the future", vec(77, 8), fault.InvalidEmbedding, "embedding"},
		{"time with too many nanoseconds", &v1.Observation{ObservedAt: &timestamppb.Timestamp{Nanos: 1e9}}, fault.InvalidField, "observed_at"},
		{"time too early", &v1.Observation{ObservedAt: timestamppb.New(time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC))}, fault.InvalidField, "observed_at"},
		{"time too late", &v1.Observation{ExpiresAt: timestamppb.New(time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC))}, fault.InvalidField, "expires_at"},
		{"NaN in metadata", meta(structpb.NewNumberValue(math.NaN())), fault.InvalidField, "metadata"},
		{"infinity in metadata", meta(structpb.NewNumberValue(math.Inf(-1))), fault.InvalidField, "metadata"},
		{"metadata too deep", meta(nested(maxNesting)), fault.InvalidField, "metadata"},
		{"metadata far too deep", meta(nested(5000)), fault.InvalidField, "metadata"},
		{"metadata just deep enough", meta(nested(maxNesting - 1)), "", ""},
		{"values without kind", meta(&structpb.Value{}), "", ""},
		{"values that are nil", meta(nil), "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			good := &v1.Observation{Content: "a neighbour"}
			in := converted(good, c.m, good)
			for _, i := range []int{0, 2} {
				if in[i].Fault != nil || in[i].Observation == nil {
					t.Errorf("neighbour %d: %v", i, in[i].Fault)
				}
			}
			f := in[1].Fault
			if c.reason == "" {
				if f != nil {
					t.Errorf("refused: %v", f)
				}
				return
			}
			if f == nil || in[1].Observation != nil || f.Code != fault.InvalidArgument || f.Reason != c.reason || f.Field != c.field || f.Message == "" {
				t.Errorf("%#v, want %s in %q", f, c.reason, c.field)
			}
		})
	}
}

func TestIncomingCarriesSizesAndTrace(t *testing.T) {
	m := full(t, nil)
	in := converted(m, &v1.Observation{Id: "b", Content: "x", Traceparent: "nonsense"})
	if in[0].Bytes != proto.Size(m) || in[0].MetadataBytes != proto.Size(m.Metadata) || !in[0].HasPriority || in[0].ClaimedID != "pear-1" {
		t.Errorf("%+v", in[0])
	}
	if got := in[0].Trip.Parent.TraceID().String(); !strings.Contains(parent, got) {
		t.Errorf("trace %s", got)
	}
	if in[1].Fault != nil || in[1].HasPriority || in[1].Trip.Parent.IsValid() {
		t.Errorf("a malformed traceparent: %+v", in[1])
	}
}

func TestEnumsOfTheFuture(t *testing.T) {
	for p, want := range map[v1.Priority]memory.Lane{
		v1.Priority_PRIORITY_HIGH: memory.LaneHigh, v1.Priority_PRIORITY_NORMAL: memory.LaneNormal, v1.Priority_PRIORITY_LOW: memory.LaneLow,
		0: memory.LaneLow, 99: memory.LaneLow, -1: memory.LaneLow,
	} {
		if got := lane(p, memory.LaneLow); got != want {
			t.Errorf("priority %v is lane %v, want %v", p, got, want)
		}
	}
	for l := range memory.Lane(memory.LaneCount) {
		if got := lane(priority(l), memory.LaneCount); got != l {
			t.Errorf("lane %v came back as %v", l, got)
		}
	}
	got := levels([]v1.AckLevel{-3, 0, 1, 2, 3, 4, 5, 1 << 20})
	if !slices.Equal(got, []memory.AckLevel{memory.AckAccepted, memory.AckDurable, memory.AckVisible, memory.AckIndexed}) {
		t.Errorf("levels %v", got)
	}
}

// FuzzIncoming feeds observations as bytes: nothing panics, every fault has a
// code and a reason, and whatever is taken can be given back.
func FuzzIncoming(f *testing.F) {
	for _, m := range []*v1.Observation{
		full(f, &v1.Embedding{Values: []float32{1, 2}}),
		full(f, &v1.Embedding{Packed: &v1.PackedVector{Encoding: 2, Data: []byte{0, 60}}}),
		meta(nested(maxNesting)), meta(&structpb.Value{}), {},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := &v1.Observation{}
		if proto.Unmarshal(b, m) != nil {
			t.Skip("not a message")
		}
		in := converted(m)[0]
		if in.Fault != nil {
			if in.Fault.Code != fault.InvalidArgument || in.Fault.Reason == "" || in.Observation != nil {
				t.Fatalf("fault %#v beside %v", in.Fault, in.Observation)
			}
			return
		}
		out, err := outgoing(in.Observation, everything)
		if err != nil {
			t.Fatalf("taken and not given back: %v", err)
		}
		again, fault := one(out, at)
		if fault != nil {
			t.Fatalf("what was given is not taken again: %v", fault)
		}
		if again.Encoding == in.Observation.Encoding && again.Content != in.Observation.Content {
			t.Fatal("the content changed")
		}
	})
}
