package embed

import (
	"context"
	"math"
	"sync"

	"github.com/engram-stream/engram/service/internal/fault"
)

// Facts of the built-in embedder. Any change to what a text hashes to needs a
// new HashingModel, for stored vectors are compared with new ones.
const (
	HashingModel     = "words-ngrams-1"
	HashingDimension = 384

	// MaxTextBytes is how much of a text is considered; what follows is
	// ignored. A text that long is better split by whoever sends it.
	MaxTextBytes = 32 << 10

	minHashingDimension = 64
	maxHashingDimension = 4096
	hashingMaxBatch     = 256
)

// Hashing is the built-in embedder: signed feature hashing (Weinberger et al.,
// "Feature Hashing for Large Scale Multitask Learning", ICML 2009) of words
// and of the character n-grams inside them (as in Bojanowski et al., "Enriching
// Word Vectors with Subword Information", TACL 2017, section 3.2).
//
// It is deterministic to the bit on every platform: features are visited in
// the order of the text, weights are integers and sums of integers, and the
// only floating-point operations (a square root, one division per element) are
// exactly specified by IEEE 754. It has no goroutines and no state but pooled
// scratch memory.
type Hashing struct {
	dimension int
	scratch   sync.Pool // of *sketch
}

var _ Embedder = (*Hashing)(nil)

// NewHashing makes a hashing embedder of the given dimension (64–4096; 0 for
// the default of 384). Fewer dimensions mean more collisions, and these cost
// ranking quality first on long texts.
func NewHashing(dimension int) (*Hashing, error) {
	if dimension == 0 {
		dimension = HashingDimension
	}
	if dimension < minHashingDimension || dimension > maxHashingDimension {
		return nil, fault.New(fault.InvalidArgument, fault.InvalidDimension,
			"dimension of the hashing embedder is %d; it must be in %d..%d", dimension, minHashingDimension, maxHashingDimension)
	}
	h := &Hashing{dimension: dimension}
	h.scratch.New = func() any { return newSketch(dimension) }
	return h, nil
}

// Identity implements [Embedder].
func (h *Hashing) Identity() Identity {
	return Identity{Kind: KindHashing, Model: HashingModel, Dimension: h.dimension}
}

// MaxBatch implements [Embedder].
func (h *Hashing) MaxBatch() int { return hashingMaxBatch }

// Close implements [Embedder]; there is nothing to end.
func (h *Hashing) Close() error { return nil }

// Embed implements [Embedder]. It fails only on an empty text, or when ctx is
// done between two texts.
func (h *Hashing) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	vectors := make([][]float32, len(texts))
	flat := make([]float32, len(texts)*h.dimension)
	for i, text := range texts {
		if err := ctx.Err(); err != nil {
			return nil, fault.Of(err)
		}
		if text == "" {
			return nil, errEmpty(i)
		}
		v := flat[i*h.dimension : (i+1)*h.dimension : (i+1)*h.dimension]
		h.Vector(v, text)
		vectors[i] = v
	}
	return vectors, nil
}

// Vector writes the vector of text into dst, whose length must be the
// dimension. It allocates nothing for ASCII text. Every text has a unit
// vector, the empty one too (it is that of a feature no text contains).
func (h *Hashing) Vector(dst []float32, text string) {
	s := h.scratch.Get().(*sketch)
	s.fill(text)
	s.write(dst)
	h.scratch.Put(s)
}

// write projects the counted features into dst and scales it to unit length.
func (s *sketch) write(dst []float32) {
	clear(s.sums)
	for _, slot := range s.order {
		e := &s.slots[slot]
		s.add(e.hash, int64(e.weight)*termFrequency(e.count))
	}
	// Features of opposite sign may cancel each other out to the last one. The
	// first one alone then stands for the text.
	if magnitude(s.sums) == 0 {
		first := uint64(1)
		if len(s.order) > 0 {
			first = s.slots[s.order[0]].hash
		}
		s.add(first, 1)
	}
	n := magnitude(s.sums)
	for i, v := range s.sums {
		dst[i] = float32(float64(v) / n)
	}
}

// add puts weight into the feature's bucket, with the feature's sign. Bucket
// and sign come from different bits of the hash, as the unbiasedness of signed
// hashing asks for.
func (s *sketch) add(hash uint64, weight int64) {
	bucket := (hash & math.MaxUint32) * uint64(len(s.sums)) >> 32
	if hash>>63 != 0 {
		weight = -weight
	}
	s.sums[bucket] += weight
}

// magnitude is the Euclidean length of sums. The conversions keep the compiler from
// fusing multiplication and addition, which would round differently on
// processors that can.
func magnitude(sums []int64) float64 {
	var total float64
	for _, v := range sums {
		f := float64(v)
		total += float64(f * f)
	}
	return math.Sqrt(total)
}
