package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// SlowAfter is how long an observation may take to become visible before it
// gets a trace of its own, sampled or not.
const SlowAfter = time.Second

// maxLinks bounds the links of a batch's span.
const maxLinks = 32

// Tracer is the Recorder that makes spans. It follows its parents: what the
// client sampled is traced, stage by stage, with the times as measured; what
// came without a trace is left to the provider's sampler, once per batch.
// Nothing is allocated for what is not sampled.
type Tracer struct {
	Recorder
	tracer trace.Tracer
}

// NewTracer makes a Tracer over a provider.
func NewTracer(tp trace.TracerProvider) *Tracer {
	return &Tracer{Recorder: Nop(), tracer: tp.Tracer("github.com/engram-stream/engram")}
}

// Published implements Recorder.
func (t *Tracer) Published(space string, batch []Done) {
	var links []trace.Link
	for i := range batch {
		d := &batch[i]
		slow := d.Trip.Since(StagePublish) > SlowAfter
		if !d.Trip.Parent.IsSampled() && !slow {
			continue
		}
		sc := t.observation(space, d, len(batch), slow && !d.Trip.Parent.IsSampled())
		if sc.IsSampled() && len(links) < maxLinks {
			links = append(links, trace.Link{SpanContext: sc})
		}
	}
	if links == nil {
		return
	}
	// The batch travelled as one: its span has links to those it carried.
	first := batch[0].Trip
	start, _, _ := first.Span(StageJournal)
	_, end, _ := first.Span(StagePublish)
	_, span := t.tracer.Start(context.Background(), "engram.batch", trace.WithNewRoot(), trace.WithTimestamp(start), trace.WithLinks(links...),
		trace.WithAttributes(attribute.String("engram.space", space), attribute.Int("engram.batch_size", len(batch))))
	span.End(trace.WithTimestamp(end))
}

// Indexed implements Recorder. The stage comes long after the others, so its
// span hangs on the client's, beside that of the observation.
func (t *Tracer) Indexed(space string, _ int, sampled []Done) {
	for i := range sampled {
		d := &sampled[i]
		start, end, ok := d.Trip.Span(StageIndex)
		if !ok {
			continue
		}
		ctx := trace.ContextWithRemoteSpanContext(context.Background(), d.Trip.Parent)
		_, span := t.tracer.Start(ctx, StageIndex.SpanName(), trace.WithTimestamp(start), trace.WithAttributes(
			attribute.String("engram.space", space), attribute.String("engram.session", d.Session),
			attribute.Int64("engram.sequence", int64(d.Sequence)), attribute.Int64("engram.generation", int64(d.Generation))))
		span.End(trace.WithTimestamp(end))
	}
}

// observation makes the spans of one observation and returns the context of
// the first.
func (t *Tracer) observation(space string, d *Done, batch int, slow bool) trace.SpanContext {
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), d.Trip.Parent)
	opts := []trace.SpanStartOption{
		trace.WithTimestamp(d.Trip.Began), trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(
			attribute.String("engram.space", space), attribute.String("engram.session", d.Session),
			attribute.Int64("engram.sequence", int64(d.Sequence)), attribute.Int64("engram.generation", int64(d.Generation)),
			attribute.String("engram.lane", LaneName(d.Lane)), attribute.Int("engram.batch_size", batch),
			attribute.Bool("engram.duplicate", d.Duplicate), attribute.Bool("engram.rejected", d.Rejected),
		),
	}
	if slow {
		opts = append(opts, trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: d.Trip.Parent}), trace.WithAttributes(attribute.Bool("engram.slow", true)))
	}
	ctx, span := t.tracer.Start(ctx, "engram.observation", opts...)
	last := d.Trip.Began
	for s := StageReceive; s < StageIndex; s++ {
		start, end, ok := d.Trip.Span(s)
		if !ok {
			continue
		}
		_, stage := t.tracer.Start(ctx, s.SpanName(), trace.WithTimestamp(start))
		stage.End(trace.WithTimestamp(end))
		last = end
	}
	span.End(trace.WithTimestamp(last))
	return span.SpanContext()
}

// Combine makes one Recorder of several.
func Combine(list ...Recorder) Recorder {
	if len(list) == 1 {
		return list[0]
	}
	return many(list)
}
