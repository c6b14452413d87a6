package server

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect/v2"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/service/internal/telemetry"
)

// receiver is an OTLP/HTTP collector that keeps what it is sent.
type receiver struct {
	mu      sync.Mutex
	spans   []*tracepb.Span
	service string
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	var export collector.ExportTraceServiceRequest
	if err != nil || req.URL.Path != "/v1/traces" || proto.Unmarshal(body, &export) != nil {
		http.Error(w, "bad export", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rs := range export.ResourceSpans {
		for _, kv := range rs.Resource.GetAttributes() {
			if kv.Key == "service.name" {
				r.service = kv.Value.GetStringValue()
			}
		}
		for _, ss := range rs.ScopeSpans {
			r.spans = append(r.spans, ss.Spans...)
		}
	}
}

// An observation with a trace context of its own is followed through every
// stage in that trace; the call's own trace comes from its headers; content
// stays out of both.
func TestStagesAreExported(t *testing.T) {
	var got receiver
	sink := httptest.NewServer(&got)
	defer sink.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.URL)
	s := start(t, nil)

	const (
		callTrace, callSpan = "11111111111111111111111111111111", "2222222222222222"
		ownTrace, ownSpan   = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
		secret              = "the kettle is in the red box"
	)
	ctx, info := connect.NewClientContext(t.Context())
	info.RequestHeader().Set("traceparent", "00-"+callTrace+"-"+callSpan+"-01")
	_, err := memoryClient(t, s).Observe(ctx, &v1.ObserveRequest{Space: "notes", Observations: []*v1.Observation{
		{Content: secret, Traceparent: "00-" + ownTrace + "-" + ownSpan + "-01"},
		{Content: secret + " too"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.stop(); err != nil { // flushes
		t.Fatal(err)
	}

	got.mu.Lock()
	defer got.mu.Unlock()
	if got.service != "engram" {
		t.Errorf("service.name is %q", got.service)
	}
	byTrace := map[string]map[string]*tracepb.Span{callTrace: {}, ownTrace: {}}
	for _, sp := range got.spans {
		if m := byTrace[hex.EncodeToString(sp.TraceId)]; m != nil {
			m[sp.Name] = sp
		}
		raw, err := proto.Marshal(sp)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("span %s carries content", sp.Name)
		}
		if sp.EndTimeUnixNano < sp.StartTimeUnixNano {
			t.Errorf("span %s ends before it starts", sp.Name)
		}
	}
	if byTrace[callTrace]["engram.v1.MemoryService/Observe"] == nil {
		t.Errorf("the call has no span in the caller's trace: %v", names(byTrace[callTrace]))
	}
	for id, spans := range byTrace {
		for stage := telemetry.StageReceive; stage <= telemetry.StageIndex; stage++ {
			if spans[stage.SpanName()] == nil {
				t.Errorf("trace %s has no span for %s: %v", id, stage, names(spans))
			}
		}
	}
	if top := byTrace[ownTrace]["engram.observation"]; top == nil || hex.EncodeToString(top.ParentSpanId) != ownSpan {
		t.Errorf("the observation does not hang on the client's span: %v", top)
	}
}

// A collector that is away costs its spans, nothing else: calls are answered,
// and the stop is clean.
func TestCollectorAway(t *testing.T) {
	sink := httptest.NewServer(http.NotFoundHandler())
	sink.Close() // nobody listens there any more
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.URL)
	var log lockedBuffer
	s := startLogging(t, slog.New(slog.NewTextHandler(&log, nil)), nil)
	observe(t, memoryClient(t, s), t.Context(), "the kettle is in the red box")
	if err := s.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if !strings.Contains(log.String(), "not exported") {
		t.Errorf("the log does not tell of the lost spans: %s", log.String())
	}
}

// lockedBuffer is a buffer that many goroutines log into.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func names(m map[string]*tracepb.Span) (out []string) {
	for n := range m {
		out = append(out, n)
	}
	return out
}

func TestTracingFollowsTheEnvironment(t *testing.T) {
	for _, c := range []struct {
		name   string
		env    map[string]string
		on, ok bool
	}{
		{"nothing said", nil, false, true},
		{"an endpoint", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, true, true},
		{"asked for by name", map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, true, true},
		{"asked for, over gRPC", map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, true, true},
		{"switched off", map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, false, true},
		{"disabled altogether", map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, false, true},
		{"an unknown exporter", map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, false, false},
		{"an unknown protocol", map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "smoke"}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			tp, err := tracing(t.Context(), "test", slog.New(slog.DiscardHandler))
			if (err == nil) != c.ok || (tp != nil) != c.on {
				t.Fatalf("tracing: on %v, %v; want on %v, ok %v", tp != nil, err, c.on, c.ok)
			}
			if tp != nil {
				if err := tp.Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestLogCarriesTheTrace(t *testing.T) {
	sc, ok := telemetry.ParseTraceParent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "")
	if !ok {
		t.Fatal("parent")
	}
	var out bytes.Buffer
	log := slog.New(traced{slog.NewJSONHandler(&out, nil)}).With("a", 1)
	log.InfoContext(trace.ContextWithSpanContext(t.Context(), sc), "hello")
	if !bytes.Contains(out.Bytes(), []byte(`"trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331"`)) {
		t.Fatalf("logged %s", out.String())
	}
}
