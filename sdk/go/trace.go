package engram

import (
	"context"

	"connectrpc.com/connect/v2"
	"go.opentelemetry.io/otel/trace"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// carrier lets a trace context be written into headers.
type carrier struct{ *connect.Header }

// Keys is for reading, which nobody does.
func (carrier) Keys() []string { return nil }

// inTrace makes an observation a child of ctx's span, if there is one; see
// https://www.w3.org/TR/trace-context/.
func inTrace(ctx context.Context, m *v1.Observation) {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		m.Traceparent = "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-" + sc.TraceFlags().String()
		m.Tracestate = sc.TraceState().String()
	}
}
