package rpc

import (
	"context"
	"math"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/gen/go/engram/v1/engramv1connect"
	"github.com/engram-stream/engram/service/internal/engine"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/space"
)

// Bounds on recalls in parts and on streams.
const (
	maxStreamRecalls = 16 // under way on one stream
	defaultIncrement = 100
)

func (s memoryService) Recall(ctx context.Context, r *v1.RecallRequest) (*v1.RecallResponse, error) {
	found, list, err := s.recall(ctx, r, "")
	if err != nil {
		return nil, err
	}
	return &v1.RecallResponse{Results: list, Snapshot: snapshot(found), Stats: stats(found)}, nil
}

// recall answers a request; an empty space in it stands for space.
func (s memoryService) recall(ctx context.Context, r *v1.RecallRequest, in memory.SpaceID) (*engine.Recalled, []*v1.RecallResult, error) {
	cue, err := cueOf(r)
	if err != nil {
		return nil, nil, err
	}
	if cue.Space == "" {
		cue.Space = in
	}
	found, err := s.h.engine.Recall(ctx, cue)
	if err != nil {
		return nil, nil, err
	}
	list, err := results(found.Hits, include(r.Include, withoutVector))
	return found, list, err
}

func (s memoryService) RecallStream(ctx context.Context, r *v1.RecallStreamRequest, stream engramv1connect.MemoryServiceRecallStreamServerStream) error {
	found, list, err := s.recall(ctx, r.Recall, "")
	if err != nil {
		return err
	}
	n := int(r.Increment)
	if n == 0 {
		n = defaultIncrement
	}
	for {
		part := list[:min(n, len(list))]
		list = list[len(part):]
		m := &v1.RecallStreamResponse{Results: part, More: len(list) > 0, Snapshot: snapshot(found)}
		if !m.More {
			m.Stats = stats(found)
		}
		if err := stream.Send(m); err != nil || !m.More {
			return err
		}
	}
}

// recall answers a recall on a stream, beside what else the stream does. When
// it fails, the client is told and the stream goes on.
func (r *reader) recall(ctx context.Context, m *v1.StreamRecall) error {
	select {
	case r.recalls <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	// Everything admitted so far, unless the client asks for something else.
	covered := r.stream.Session().Info().Next - 1
	r.h.readers.Add(1)
	go func() {
		defer r.h.readers.Done()
		defer func() { <-r.recalls }()
		answer := r.answer(ctx, m, covered)
		answer.RequestId = m.RequestId
		_ = r.stream.Tell(ctx, answer) //nolint:errcheck // fails only when the stream is over
	}()
	return nil
}

func (r *reader) answer(ctx context.Context, m *v1.StreamRecall, covered memory.Sequence) (out *v1.StreamRecallResults) {
	failed := func(err error) *v1.StreamRecallResults {
		f := fault.Of(err)
		return &v1.StreamRecallResults{Error: &v1.StreamRecallError{Code: uint32(codes[f.Code]), Reason: string(f.Reason), Message: f.Message}}
	}
	defer func() {
		if p := recover(); p != nil { // a goroutine of its own: nobody above would catch it
			out = failed(r.h.panicked(ctx, p))
		}
	}()
	if m.Recall == nil {
		return failed(fault.New(fault.InvalidArgument, fault.InvalidCue, "recall is not set").In("recall"))
	}
	if sp := memory.SpaceID(m.Recall.Space); sp != "" && sp != r.stream.Space() {
		return failed(fault.New(fault.InvalidArgument, fault.SessionWrongSpace, "recall.space is %q; the stream's session belongs to %q", sp, r.stream.Space()).In("recall.space"))
	}
	if m.Recall.Consistency == nil || m.Recall.Consistency.Mode == nil {
		if _, err := r.stream.Session().Wait(ctx, memory.AckVisible, covered); err != nil {
			return failed(err)
		}
	} else {
		covered = 0
	}
	found, list, err := memoryService{r.h}.recall(ctx, m.Recall, r.stream.Space())
	if err != nil {
		return failed(err)
	}
	return &v1.StreamRecallResults{Results: list, Snapshot: snapshot(found), Stats: stats(found), CoveredSequence: uint64(covered)}
}

func cueOf(r *v1.RecallRequest) (engine.Cue, error) {
	c := engine.Cue{
		Space: memory.SpaceID(r.Space), Limit: int(r.Limit), MinSimilarity: r.MinSimilarity, Effort: int(r.Effort), Exact: r.Exact,
	}
	switch cue := r.Cue.(type) {
	case *v1.RecallRequest_Embedding:
		v, _, f := embedding(cue.Embedding, new(floats))
		if f != nil {
			return c, f
		}
		if len(v) == 0 {
			return c, fault.New(fault.InvalidArgument, fault.InvalidCue, "embedding is empty").In("embedding")
		}
		c.Vector = v
	case *v1.RecallRequest_Text:
		c.Text = &cue.Text
	case *v1.RecallRequest_ObservationId:
		c.Example = memory.ObservationID(cue.ObservationId)
	}
	if c.MinSimilarity != nil && math.IsNaN(float64(*c.MinSimilarity)) {
		return c, fault.New(fault.InvalidArgument, fault.InvalidField, "min_similarity is NaN, which nothing compares to").In("min_similarity")
	}
	var err error
	if c.Filter, err = filterOf(r.Filter); err != nil {
		return c, err
	}
	switch m := r.Consistency.GetMode().(type) {
	case *v1.Consistency_AtLeast:
		c.Consistency = space.Consistency{Mode: space.AtLeast, Generation: memory.Generation(m.AtLeast)}
	case *v1.Consistency_At:
		c.Consistency = space.Consistency{Mode: space.At, Generation: memory.Generation(m.At)}
	case *v1.Consistency_AsOf:
		t, f := moment("consistency.as_of", m.AsOf)
		if f != nil {
			return c, f
		}
		c.Consistency = space.Consistency{Mode: space.AsOf, Time: t}
	case nil:
		// A mode of a newer client: `latest` in its place would be an answer to
		// another question.
		if len(r.Consistency.ProtoReflect().GetUnknown()) > 0 {
			return c, fault.New(fault.InvalidArgument, fault.Unsupported, "consistency has a mode that this server does not know").In("consistency")
		}
	}
	return c, nil
}
