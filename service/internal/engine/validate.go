package engine

import (
	"math"
	"strings"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/space"
	"github.com/engram-stream/engram/service/internal/vector"
)

// check validates one observation fully, before anything is promised. dim is
// the space's dimension, 0 while it is not fixed.
func (e *Engine) check(in *Incoming, dim int, metric memory.Metric, embeds bool) *fault.Error {
	if in.Fault != nil {
		return in.Fault
	}
	o, lim := in.Observation, e.opts.Limits
	switch {
	case o.ID != "" && !o.ID.Valid():
		return fault.New(fault.InvalidArgument, fault.InvalidID,
			"id has %d bytes; it must be 1 to %d bytes of UTF-8 without control characters", len(o.ID), memory.MaxIDLength).In("id")
	case in.Bytes > lim.ObservationBytes:
		return tooLarge("observation", in.Bytes, lim.ObservationBytes)
	case len(o.Content) > lim.ContentBytes:
		return tooLarge("content", len(o.Content), lim.ContentBytes)
	case in.MetadataBytes > lim.MetadataBytes:
		return tooLarge("metadata", in.MetadataBytes, lim.MetadataBytes)
	case len(o.Context.Participants) > 1000:
		return fault.New(fault.InvalidArgument, fault.TooLarge,
			"context.participants has %d entries; the limit is 1000", len(o.Context.Participants)).In("context.participants")
	}
	for _, f := range []struct {
		name          string
		value, lo, hi float32
	}{
		{"confidence", o.Confidence, 0, 1},
		{"importance", o.Importance, 0, 1},
		{"emotional_valence", o.EmotionalValence, -1, 1},
		{"decay_rate", o.DecayRate, 0, math.MaxFloat32},
	} {
		if !(f.value >= f.lo && f.value <= f.hi) { // NaN fails too
			return fault.New(fault.InvalidArgument, fault.InvalidField,
				"%s is %v; it must be in %v..%v", f.name, f.value, f.lo, f.hi).In(f.name)
		}
	}
	return e.checkVector(o, dim, metric, embeds)
}

func (e *Engine) checkVector(o *memory.Observation, dim int, metric memory.Metric, embeds bool) *fault.Error {
	if o.Vector == nil {
		switch {
		case strings.TrimSpace(o.Content) == "":
			return fault.New(fault.InvalidArgument, fault.EmptyObservation, "the observation has neither content nor embedding")
		case !embeds:
			return fault.New(fault.InvalidArgument, fault.NoEmbedder,
				"the observation has content and no embedding, and its space has no embedder to make one")
		}
		return nil
	}
	if dim == 0 && (len(o.Vector) < 2 || len(o.Vector) > e.opts.Limits.Dimension) {
		return fault.New(fault.InvalidArgument, fault.InvalidDimension,
			"embedding has %d components; a dimension must be in 2..%d", len(o.Vector), e.opts.Limits.Dimension).In("embedding")
	}
	if dim != 0 && len(o.Vector) != dim {
		return fault.New(fault.InvalidArgument, fault.InvalidDimension,
			"embedding has %d components; the space's dimension is %d", len(o.Vector), dim).In("embedding")
	}
	return finite(o.Vector, metric, "embedding")
}

// finite fails for a vector that cannot be compared under the metric.
func finite(v []float32, metric memory.Metric, field string) *fault.Error {
	if !vector.AllFinite(v) {
		return fault.New(fault.InvalidArgument, fault.InvalidEmbedding, "%s has a component that is NaN or infinite", field).In(field)
	}
	if metric == memory.MetricCosine {
		if n := vector.Norm(v); n == 0 || math.IsInf(float64(n), 0) || math.IsInf(float64(vector.InverseNorm(v)), 0) {
			return fault.New(fault.InvalidArgument, fault.InvalidEmbedding,
				"%s has length %v, which has no direction to compare by cosine", field, n).In(field)
		}
	}
	return nil
}

func tooLarge(field string, got, limit int) *fault.Error {
	return fault.New(fault.InvalidArgument, fault.TooLarge, "%s has %d bytes; the limit is %d", field, got, limit).In(field)
}

// checkAll validates a batch and gives each observation that fails its
// rejection. seq numbers the first.
func (e *Engine) checkAll(sp *space.Space, in []Incoming, seq memory.Sequence) []memory.Rejection {
	set := sp.Settings()
	_, embeds := e.embedderOf(set)
	var out []memory.Rejection
	for i := range in {
		if f := e.check(&in[i], set.Dimension, set.Metric, embeds); f != nil {
			in[i].Fault = f // it goes no further: not to the embedder either
			out = append(out, rejection(seq+memory.Sequence(i), in[i].id(), f))
		}
	}
	return out
}

// maxRejectionText bounds what a rejection says.
const maxRejectionText = 512

func rejection(seq memory.Sequence, id memory.ObservationID, f *fault.Error) memory.Rejection {
	text := f.Message
	if len(text) > maxRejectionText {
		text = strings.ToValidUTF8(text[:maxRejectionText], "")
	}
	if !id.Valid() {
		id = ""
	}
	return memory.Rejection{Sequence: seq, ObservationID: id, Reason: string(f.Reason), Message: text}
}
