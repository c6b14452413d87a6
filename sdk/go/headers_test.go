package engram_test

import (
	"testing"

	"go.opentelemetry.io/otel/trace"

	engram "github.com/engram-stream/engram/sdk/go"
)

// A session's stream carries the client's headers and the trace of the context
// it was opened with; an observation carries that of its own.
func TestHeadersAndTraceContext(t *testing.T) {
	span := func(id byte) trace.SpanContext {
		return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{id}, TraceFlags: trace.FlagsSampled})
	}
	var observed string
	m := newModel(t, func(s *stream) error {
		if err := s.welcome(roomy); err != nil {
			return err
		}
		f, err := s.receive()
		if err != nil {
			return err
		}
		observed = f.GetObservations().Observations[0].Traceparent
		if _, err := s.keep(f.GetObservations()); err != nil {
			return err
		}
		return s.serve()
	})
	for _, opts := range [][]engram.Option{{}, {engram.WithGRPC()}, {engram.WithCompression()}} {
		m.mu.Lock()
		m.streams, m.ended, m.next, m.durable, m.kept = 0, false, 1, 0, nil
		m.mu.Unlock()
		c, ctx := dial(t, m, append(opts, engram.WithHeader("Authorization", "Bearer secret"))...)
		s, err := c.OpenSession(trace.ContextWithSpanContext(ctx, span(2)), "notes")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Observe(trace.ContextWithSpanContext(ctx, span(3)), engram.Observation{ID: "1", Content: "x"}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Close(ctx); err != nil {
			t.Fatal(err)
		}
		m.want(t, 1)
		const parent = "00-01000000000000000000000000000000-0200000000000000-01"
		if got := m.header.Get("traceparent"); got != parent {
			t.Errorf("the stream's trace context is %q, want %q", got, parent)
		}
		if got := m.header.Get("authorization"); got != "Bearer secret" {
			t.Errorf("the header is %q", got)
		}
		if want := "00-01000000000000000000000000000000-0300000000000000-01"; observed != want {
			t.Errorf("the observation's trace context is %q, want %q", observed, want)
		}
	}
}
