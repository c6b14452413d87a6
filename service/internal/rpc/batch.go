package rpc

import (
	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/service/internal/engine"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vector"
)

// What a stream of observations is read through would, if made anew for each of
// them, be more than half of all that the server allocates under it, and the
// collector runs as often as that fills the heap. So the message of a batch
// serves another one as soon as it is converted, and what it is converted into,
// an [engine.Parcel], when its observations are visible.

const (
	// maxKeptBatch bounds the batches whose memory is kept for others, in
	// observations: the engine takes 1,000 at most by default.
	maxKeptBatch = 1024
	// maxKeptFloats bounds, in components, the vectors that a kept message has
	// room for: the longest that the engine takes by default.
	maxKeptFloats = 4096
)

// floats hands out the vectors of a batch from one piece of memory.
type floats []float32

// take gives n components, never nil: an empty vector was sent, and no vector
// was not.
func (f *floats) take(n int) []float32 {
	if *f == nil || n > len(*f) {
		*f = make([]float32, n)
	}
	v := (*f)[:n:n]
	*f = (*f)[n:]
	return v
}

// components is how many the vectors of a batch take of [floats].
func components(list []*v1.Observation) (n int) {
	for _, o := range list {
		m := o.GetEmbedding()
		n += len(m.GetValues())
		switch p := m.GetPacked(); p.GetEncoding() {
		case v1.VectorEncoding_VECTOR_ENCODING_F32_LE:
			n += len(p.Data) / vector.BytesF32
		case v1.VectorEncoding_VECTOR_ENCODING_F16_LE:
			n += len(p.Data) / vector.BytesF16
		}
	}
	return n
}

// parcel makes one for a batch of a call, which does not come back.
func parcel(list []*v1.Observation) *engine.Parcel {
	return &engine.Parcel{
		In: make([]engine.Incoming, len(list)), Observations: make([]memory.Observation, len(list)), Vectors: make([]float32, components(list)),
	}
}

// giveBack returns a batch to where the next one is decoded into. Nobody may
// refer to any part of it: what was read of it is copied, but for strings, which
// decoding makes anew, and what is in messages without a pool. A message that
// the engine would not take is not kept, nor room for such.
func giveBack(b *v1.ObservationBatch) {
	if cap(b.Observations) > 2*maxKeptBatch { // append may have left room for more
		return
	}
	for _, o := range b.Observations {
		e := o.GetEmbedding()
		if e == nil {
			continue
		}
		if cap(e.Values) > maxKeptFloats {
			e.Values = nil
		}
		if e.Packed != nil && cap(e.Packed.Data) > maxKeptFloats*vector.BytesF32 {
			e.Packed.Data = nil
		}
	}
	b.ReturnToVTPool()
}
