package rpc

import (
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/service/internal/engine"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/space"
	"github.com/engram-stream/engram/service/internal/vector"
)

// parts are the parts of an observation that an answer carries.
type parts struct{ content, embedding, metadata bool }

// include reads which parts are wanted; def is what holds when nothing is said.
func include(m *v1.Include, def parts) parts {
	if m == nil {
		return def
	}
	return parts{m.Content, m.Embedding, m.Metadata}
}

var (
	withoutVector = parts{content: true, metadata: true}
	everything    = parts{true, true, true}
)

// outgoing converts an observation, as sent.
func outgoing(o *memory.Observation, p parts) (*v1.Observation, error) {
	m := &v1.Observation{
		Id: string(o.ID), Confidence: proto.Float32(o.Confidence), Importance: o.Importance,
		EmotionalValence: o.EmotionalValence, DecayRate: o.DecayRate,
		ObservedAt: timestamp(o.ObservedAt), ExpiresAt: timestamp(o.ExpiresAt),
		Priority: priority(o.Priority), Replace: o.Replace, Traceparent: o.TraceParent, Tracestate: o.TraceState,
	}
	if p.content {
		m.Content = o.Content
	}
	if p.embedding {
		m.Embedding = embeddingOf(o)
	}
	if !p.metadata {
		return m, nil
	}
	if c := o.Context; c.Location != "" || len(c.Participants) > 0 || c.Reason != "" || c.Method != "" {
		m.Context = &v1.ObservationContext{Location: c.Location, Participants: c.Participants, Reason: c.Reason, Method: c.Method}
	}
	if o.Metadata != nil {
		s, err := structpb.NewStruct(o.Metadata)
		if err != nil {
			return nil, err
		}
		m.Metadata = s
	}
	return m, nil
}

// embeddingOf gives the vector in the form it was sent in. One that the server
// made is given as numbers.
func embeddingOf(o *memory.Observation) *v1.Embedding {
	switch o.Encoding {
	case memory.EncodingF32Bytes:
		data := vector.EncodeF32LE(make([]byte, 0, vector.BytesF32*len(o.Vector)), o.Vector)
		return &v1.Embedding{Packed: &v1.PackedVector{Data: data, Encoding: v1.VectorEncoding_VECTOR_ENCODING_F32_LE}}
	case memory.EncodingF16Bytes:
		data := vector.EncodeF16LE(make([]byte, 0, vector.BytesF16*len(o.Vector)), o.Vector)
		return &v1.Embedding{Packed: &v1.PackedVector{Data: data, Encoding: v1.VectorEncoding_VECTOR_ENCODING_F16_LE}}
	}
	return &v1.Embedding{Values: append([]float32(nil), o.Vector...)}
}

func stored(list []space.Stored, p parts) ([]*v1.StoredObservation, error) {
	out := make([]*v1.StoredObservation, len(list))
	for i := range list {
		o, err := outgoing(list[i].Observation, p)
		if err != nil {
			return nil, err
		}
		out[i] = &v1.StoredObservation{
			Observation: o, Generation: uint64(list[i].Generation),
			CommittedAt: timestamp(time.Unix(0, list[i].CommittedAt)), QuarantineReason: list[i].Quarantine,
		}
	}
	return out, nil
}

func results(hits []space.Hit, p parts) ([]*v1.RecallResult, error) {
	out := make([]*v1.RecallResult, len(hits))
	for i := range hits {
		o, err := outgoing(hits[i].Observation, p)
		if err != nil {
			return nil, err
		}
		out[i] = &v1.RecallResult{
			Observation: o, Similarity: hits[i].Similarity, Generation: uint64(hits[i].Generation), InGraph: hits[i].InGraph,
		}
	}
	return out, nil
}

func snapshot(r *engine.Recalled) *v1.Snapshot {
	s := r.Snapshot
	return &v1.Snapshot{
		Generation: uint64(s.Generation), CommittedAt: timestamp(time.Unix(0, s.CommittedAt)),
		Unindexed: uint64(s.Unindexed()), Staleness: durationpb.New(r.Staleness), Replaying: r.Replaying, RecoverableGeneration: uint64(r.Recoverable),
	}
}

func stats(r *engine.Recalled) *v1.RecallStats {
	return &v1.RecallStats{Scanned: uint64(r.Scanned), Visited: uint64(r.Visited), Took: durationpb.New(r.Took)}
}

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func priority(l memory.Lane) v1.Priority { return v1.Priority(l) + v1.Priority_PRIORITY_HIGH }

func credits(c memory.Credits) *v1.Credits {
	return &v1.Credits{ThroughSequence: uint64(c.Through), Bytes: uint64(max(0, c.Bytes))}
}
