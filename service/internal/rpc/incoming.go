package rpc

import (
	"context"
	"math"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/service/internal/engine"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/telemetry"
	"github.com/engram-stream/engram/service/internal/vector"
)

// maxNesting bounds the depth of metadata.
const maxNesting = 32

// incoming converts a batch into a parcel that is large enough and otherwise as
// new. What cannot be read carries its fault; the others are not touched by it.
// Nothing of what comes out refers to what [giveBack] recycles.
func incoming(ctx context.Context, into *engine.Parcel, list []*v1.Observation, received time.Time) {
	parent := trace.SpanContextFromContext(ctx)
	out, vectors := into.In, floats(into.Vectors)
	for i, o := range list {
		in := &out[i]
		in.Trip = telemetry.Trip{Parent: parent, Began: received}
		if o == nil {
			in.Fault = fault.New(fault.InvalidArgument, fault.EmptyObservation, "the observation has neither content nor embedding")
			continue
		}
		in.Bytes = o.SizeVT()
		in.ClaimedID = memory.ObservationID(o.Id)
		if o.Traceparent != "" {
			if sc, ok := telemetry.ParseTraceParent(o.Traceparent, o.Tracestate); ok {
				in.Trip.Parent = sc
			}
		}
		if in.Fault = observation(&into.Observations[i], o, &vectors, received); in.Fault != nil {
			continue
		}
		in.Observation = &into.Observations[i]
		if o.Metadata != nil {
			in.MetadataBytes = proto.Size(o.Metadata)
		}
		in.HasPriority = o.Priority != v1.Priority_PRIORITY_UNSPECIFIED
	}
	now := time.Now()
	for i := range out {
		out[i].Trip.MarkAt(telemetry.StageReceive, now)
	}
}

// observation reads m into o. Its vector is taken from vectors.
func observation(o *memory.Observation, m *v1.Observation, vectors *floats, received time.Time) *fault.Error {
	*o = memory.Observation{
		ID: memory.ObservationID(m.Id), Content: m.Content,
		Confidence: memory.DefaultConfidence, Importance: m.Importance,
		EmotionalValence: m.EmotionalValence, DecayRate: m.DecayRate,
		Priority: lane(m.Priority, memory.LaneNormal), Replace: m.Replace,
		TraceParent: m.Traceparent, TraceState: m.Tracestate,
	}
	if m.Confidence != nil {
		o.Confidence = *m.Confidence
	}
	if c := m.Context; c != nil {
		o.Context = memory.Context{Location: c.Location, Participants: c.Participants, Reason: c.Reason, Method: c.Method}
	}
	var f *fault.Error
	if o.Vector, o.Encoding, f = embedding(m.Embedding, vectors); f != nil {
		return f
	}
	if o.ObservedAt, f = moment("observed_at", m.ObservedAt); f != nil {
		return f
	}
	if o.ExpiresAt, f = moment("expires_at", m.ExpiresAt); f != nil {
		return f
	}
	if m.Metadata != nil {
		if f := shallow(structpb.NewStructValue(m.Metadata), 0); f != nil {
			return f
		}
		o.Metadata = m.Metadata.AsMap()
	}
	if o.ID != "" {
		// Before the time of receipt is filled in: a retry has another.
		digest, err := memory.DigestOf(o)
		if err != nil {
			return fault.New(fault.InvalidArgument, fault.InvalidField, "metadata cannot be kept: %v", err).In("metadata")
		}
		o.Digest = digest
	}
	if o.ObservedAt.IsZero() {
		o.ObservedAt = received.UTC()
	}
	return nil
}

// embedding decodes a vector into what it takes of room; nil when none was sent.
func embedding(m *v1.Embedding, room *floats) ([]float32, memory.Encoding, *fault.Error) {
	bad := func(format string, args ...any) ([]float32, memory.Encoding, *fault.Error) {
		return nil, 0, fault.New(fault.InvalidArgument, fault.InvalidEmbedding, format, args...).In("embedding")
	}
	if m == nil || (len(m.Values) == 0 && m.Packed == nil) {
		return nil, memory.EncodingNone, nil
	}
	if m.Packed == nil {
		v := room.take(len(m.Values))
		copy(v, m.Values)
		return v, memory.EncodingValues, nil
	}
	if len(m.Values) > 0 {
		return bad("embedding has both values and packed; one of them is wanted")
	}
	data := m.Packed.Data
	switch m.Packed.Encoding {
	case v1.VectorEncoding_VECTOR_ENCODING_F32_LE:
		if len(data)%vector.BytesF32 != 0 {
			return bad("embedding.packed.data has %d bytes, which is not a multiple of %d", len(data), vector.BytesF32)
		}
		v := room.take(len(data) / vector.BytesF32)
		vector.DecodeF32LE(v, data)
		return v, memory.EncodingF32Bytes, nil
	case v1.VectorEncoding_VECTOR_ENCODING_F16_LE:
		if len(data)%vector.BytesF16 != 0 {
			return bad("embedding.packed.data has %d bytes, which is not a multiple of %d", len(data), vector.BytesF16)
		}
		v := room.take(len(data) / vector.BytesF16)
		vector.DecodeF16LE(v, data)
		return v, memory.EncodingF16Bytes, nil
	}
	return bad("embedding.packed.encoding is %v; it must be F32_LE or F16_LE", m.Packed.Encoding)
}

// moment reads a time; the zero time when it is not set. Times are kept in
// nanoseconds of 64 bits, which reach from 1677 to 2262.
func moment(field string, t *timestamppb.Timestamp) (time.Time, *fault.Error) {
	if t == nil {
		return time.Time{}, nil
	}
	if err := t.CheckValid(); err != nil || t.Seconds <= math.MinInt64/int64(1e9) || t.Seconds >= math.MaxInt64/int64(1e9) {
		return time.Time{}, fault.New(fault.InvalidArgument, fault.InvalidField,
			"%s is %d s and %d ns since 1970; it must be a valid time between the years 1678 and 2261", field, t.Seconds, t.Nanos).In(field)
	}
	return t.AsTime(), nil
}

// shallow fails for metadata that is nested too deeply, or that JSON cannot
// say.
func shallow(v *structpb.Value, depth int) *fault.Error {
	if depth > maxNesting {
		return fault.New(fault.InvalidArgument, fault.InvalidField, "metadata is nested more than %d deep", maxNesting).In("metadata")
	}
	switch k := v.GetKind().(type) {
	case *structpb.Value_NumberValue:
		if math.IsNaN(k.NumberValue) || math.IsInf(k.NumberValue, 0) {
			return fault.New(fault.InvalidArgument, fault.InvalidField, "metadata has a number that is NaN or infinite").In("metadata")
		}
	case *structpb.Value_ListValue:
		for _, x := range k.ListValue.GetValues() {
			if f := shallow(x, depth+1); f != nil {
				return f
			}
		}
	case *structpb.Value_StructValue:
		for _, x := range k.StructValue.GetFields() {
			if f := shallow(x, depth+1); f != nil {
				return f
			}
		}
	}
	return nil
}

// lane translates a priority; one that this server does not know counts as not
// set.
func lane(p v1.Priority, unset memory.Lane) memory.Lane {
	switch p {
	case v1.Priority_PRIORITY_HIGH:
		return memory.LaneHigh
	case v1.Priority_PRIORITY_NORMAL:
		return memory.LaneNormal
	case v1.Priority_PRIORITY_LOW:
		return memory.LaneLow
	}
	return unset
}

// levels translates the levels to be acked, and steps over those it does not
// know.
func levels(list []v1.AckLevel) []memory.AckLevel {
	var out []memory.AckLevel
	for _, l := range list {
		if l >= v1.AckLevel_ACK_LEVEL_ACCEPTED && l <= v1.AckLevel_ACK_LEVEL_INDEXED {
			out = append(out, memory.AckLevel(l))
		}
	}
	return out
}
