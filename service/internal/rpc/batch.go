package rpc

import (
	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/service/internal/vector"
)

// What a stream of observations is read through would, if made anew for each of
// them, be more than half of all that the server allocates under it, and the
// collector runs as often as that fills the heap. So the observations of a
// batch, and their vectors, share one piece of memory each; and what is done
// with when the batch is in the queue serves the next one.

const (
	// maxKeptBatch bounds the batches whose memory is kept for others, in
	// observations: the engine takes 1,000 at most by default.
	maxKeptBatch = 1024
	// maxKeptFloats bounds, in components, the vectors that a kept message has
	// room for: the longest that the engine takes by default.
	maxKeptFloats = 4096
)

// floats hands out the vectors of a batch from one piece of memory: they leave
// the server together, once the rows of the batch are made.
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

// components is how many the vector of an observation takes of [floats].
func components(m *v1.Embedding) int {
	n := len(m.GetValues())
	switch p := m.GetPacked(); p.GetEncoding() {
	case v1.VectorEncoding_VECTOR_ENCODING_F32_LE:
		n += len(p.Data) / vector.BytesF32
	case v1.VectorEncoding_VECTOR_ENCODING_F16_LE:
		n += len(p.Data) / vector.BytesF16
	}
	return n
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
