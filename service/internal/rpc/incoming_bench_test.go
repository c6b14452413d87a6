package rpc

import (
	"context"
	"testing"
	"time"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/service/internal/vector"
)

// BenchmarkIncoming is one frame of a stream of 128-d vectors, from its bytes to
// what the engine is given:
//
//	go test -run '^$' -bench Incoming -benchmem ./service/internal/rpc
//
// What it allocates is nearly all the parcel, which is made anew here, as for a
// call, and serves other batches under a stream.
func BenchmarkIncoming(b *testing.B) {
	const batch, dim = 256, 128
	list := make([]*v1.Observation, batch)
	for i := range list {
		v := make([]float32, dim)
		v[i%dim] = 1
		list[i] = &v1.Observation{Content: "a pear", Embedding: &v1.Embedding{Packed: &v1.PackedVector{
			Encoding: v1.VectorEncoding_VECTOR_ENCODING_F32_LE, Data: vector.EncodeF32LE(nil, v),
		}}}
	}
	frame := &v1.ObserveStreamRequest{Frame: &v1.ObserveStreamRequest_Observations{
		Observations: &v1.ObservationBatch{FirstSequence: 1, Observations: list},
	}}
	data, err := frame.MarshalVT()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		m := &v1.ObserveStreamRequest{}
		if err := m.UnmarshalVT(data); err != nil {
			b.Fatal(err)
		}
		p := parcel(m.GetObservations().Observations)
		incoming(context.Background(), p, m.GetObservations().Observations, time.Now())
		giveBack(m.GetObservations())
		if f := p.In[batch-1].Fault; f != nil {
			b.Fatal(f)
		}
	}
}
