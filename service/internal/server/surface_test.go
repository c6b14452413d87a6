package server

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"connectrpc.com/grpcreflect/v2"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1alpha" //nolint:staticcheck // the former name is what is tested
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/gen/go/engram/v1/engramv1connect"
	"github.com/engram-stream/engram/service/internal/config"
	"github.com/engram-stream/engram/service/internal/rpc"
)

func memoryClient(t *testing.T, s *running) engramv1connect.MemoryServiceClient {
	t.Helper()
	return engramv1connect.NewMemoryServiceClient(connect.NewClient(connecthttp.NewTransport(client(t, true), s.url)))
}

// An ordinary gRPC client asks for health, and a watcher hears of the drain.
func TestHealth(t *testing.T) {
	s := start(t, nil)
	conn, err := grpc.NewClient(s.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	h := healthpb.NewHealthClient(conn)
	for _, name := range []string{"", engramv1connect.MemoryServiceName} {
		res, err := h.Check(t.Context(), &healthpb.HealthCheckRequest{Service: name})
		if err != nil || res.Status != healthpb.HealthCheckResponse_SERVING {
			t.Fatalf("check %q: %v %v", name, res, err)
		}
	}
	if _, err := h.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "no.such.Service"}); status.Code(err) != codes.NotFound {
		t.Fatalf("an unknown service: %v, want NOT_FOUND", err)
	}
	list, err := h.List(t.Context(), &healthpb.HealthListRequest{})
	if err != nil || len(list.Statuses) != len(rpc.ServiceNames)+1 {
		t.Fatalf("list: %v %v", list, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	watch, err := h.Watch(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if res, err := watch.Recv(); err != nil || res.Status != healthpb.HealthCheckResponse_SERVING {
		t.Fatalf("watch: %v %v", res, err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if res, err := watch.Recv(); err != nil || res.Status != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Fatalf("watch during the drain: %v %v", res, err)
	}
}

func TestReflection(t *testing.T) {
	s := start(t, nil)
	for _, opts := range [][]connecthttp.Option{nil, {connecthttp.WithGRPC()}} {
		stream := grpcreflect.NewClient(connect.NewClient(connecthttp.NewTransport(client(t, true), s.url, opts...))).NewStream(t.Context())
		names, err := stream.ListServices()
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range append(slices.Clone(rpc.ServiceNames), "grpc.health.v1.Health") {
			if !slices.ContainsFunc(names, func(n protoreflect.FullName) bool { return string(n) == want }) {
				t.Errorf("reflection lists %v, without %s", names, want)
			}
		}
		if files, err := stream.FileContainingSymbol("engram.v1.MemoryService"); err != nil || len(files) == 0 {
			t.Errorf("the contract is not described: %v", err)
		}
		if err := stream.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Older tools ask for reflection by its former name.
func TestReflectionUnderItsFormerName(t *testing.T) {
	s := start(t, nil)
	conn, err := grpc.NewClient(s.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := &reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}
	if err := stream.Send(ask); err != nil {
		t.Fatal(err)
	}
	res, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(res.GetListServicesResponse().GetService(), func(r *reflectionpb.ServiceResponse) bool {
		return r.Name == engramv1connect.MemoryServiceName
	}) {
		t.Errorf("listed %v", res)
	}
	if err := stream.CloseSend(); err != nil {
		t.Error(err)
	}
}

func TestMetricsMoveAndParse(t *testing.T) {
	s := start(t, nil)
	m := memoryClient(t, s)
	observe(t, m, t.Context(), "the kettle is in the red box")
	if _, err := m.Recall(t.Context(), &v1.RecallRequest{Space: "notes", Cue: &v1.RecallRequest_Text{Text: "kettle"}}); err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	scrape := func() {
		code, body := get(t, client(t, false), s.url+"/metrics")
		if code != http.StatusOK {
			t.Fatalf("/metrics: %d", code)
		}
		if families, err = parser.TextToMetricFamilies(strings.NewReader(body)); err != nil {
			t.Fatal(err)
		}
	}
	samples := func(name string) (n uint64) { // of a histogram, over all its series
		for _, metric := range families["engram_streaming_"+name].GetMetric() {
			n += metric.GetHistogram().GetSampleCount()
		}
		return n
	}
	// The worker counts its batch after it has told the client of it.
	for scrape(); samples("batch_size") == 0; scrape() {
	}
	var seen float64
	for _, metric := range families["engram_streaming_observations_total"].GetMetric() {
		seen += metric.GetCounter().GetValue()
	}
	if seen != 1 {
		t.Errorf("observations_total is %v after one observation", seen)
	}
	for _, name := range []string{"observation_latency_seconds", "visibility_latency_seconds", "recall_latency_seconds", "queue_wait_time_seconds", "batch_size"} {
		if n := samples(name); n != 1 {
			t.Errorf("%s has %d samples after one observation and one recall, want 1", name, n)
		}
	}
	for _, name := range []string{"queue_depth", "queue_memory_bytes", "active_sessions_total", "worker_utilization", "backpressure_state", "generation", "staleness_seconds"} {
		if len(families["engram_streaming_"+name].GetMetric()) == 0 {
			t.Errorf("%s has no series", name)
		}
	}
}

func TestProbesAndLanding(t *testing.T) {
	s := start(t, nil)
	c := client(t, false)
	for path, want := range map[string]string{"/livez": `"ok"`, "/readyz": `"ok"`, "/": "Engram test"} {
		if code, body := get(t, c, s.url+path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if code, _ := get(t, c, s.url+"/no/such/page"); code != http.StatusNotFound {
		t.Errorf("an unknown page: %d", code)
	}
	if code, _ := get(t, c, s.url+"/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("profiles are served on the main address: %d", code)
	}
}

// Before the journal is read back, probes tell so and calls are told to retry.
func TestNotReadyYet(t *testing.T) {
	c := config.Default()
	s := New(c, slog.New(slog.DiscardHandler), "test")
	for path, want := range map[string]int{"/livez": http.StatusOK, "/readyz": http.StatusServiceUnavailable} {
		w := httptest.NewRecorder()
		s.routes().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/engram.v1.MemoryService/Observe", strings.NewReader("{}"))
	r.Header.Set("Content-Type", "application/json")
	s.routes().ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"unavailable"`) {
		t.Errorf("a call while replaying: %d %s", w.Code, w.Body.String())
	}
}

func TestCORS(t *testing.T) {
	const ours, theirs = "https://app.example", "https://other.example"
	preflight := func(s *Server, origin string) http.Header {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodOptions, "/engram.v1.MemoryService/Observe", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", http.MethodPost)
		w := httptest.NewRecorder()
		s.routes().ServeHTTP(w, r)
		return w.Header()
	}
	c := config.Default()
	log := slog.New(slog.DiscardHandler)
	if got := preflight(New(c, log, "test"), ours).Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("by default %q is allowed", got)
	}
	c.CORS.AllowedOrigins = []string{ours}
	s := New(c, log, "test")
	if got := preflight(s, ours); got.Get("Access-Control-Allow-Origin") != ours || !strings.Contains(got.Get("Access-Control-Allow-Headers"), "Connect-Protocol-Version") {
		t.Errorf("our origin: %v", got)
	}
	if got := preflight(s, theirs).Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("another origin is allowed as %q", got)
	}
}

func TestPanicBecomesInternal(t *testing.T) {
	var logged bytes.Buffer
	next := func(context.Context, connect.Spec, connect.ServerStream) error { panic("secret") }
	err := recovery(slog.New(slog.NewTextHandler(&logged, nil)))(next)(t.Context(), connect.Spec{Procedure: "/a.B/C"}, nil)
	var rpcErr *connect.Error
	if !errors.As(err, &rpcErr) || rpcErr.Code() != connect.CodeInternal || strings.Contains(rpcErr.Message(), "secret") {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(logged.String(), "secret") || !strings.Contains(logged.String(), "/a.B/C") {
		t.Fatalf("the log does not say what happened: %s", logged.String())
	}
}

// A stream that is open when the server stops is told to come back, and the
// stop does not wait for the client to leave.
func TestDrainSaysGoAway(t *testing.T) {
	s := start(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	stream, err := memoryClient(t, s).ObserveStream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&v1.ObserveStreamRequest{Frame: &v1.ObserveStreamRequest_Init{Init: &v1.SessionInit{Space: "notes"}}}); err != nil {
		t.Fatal(err)
	}
	first, err := stream.Receive()
	if err != nil || first.GetInitAck() == nil {
		t.Fatalf("first frame: %v %v", first, err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	var away *v1.GoAway
	for {
		frame, err := stream.Receive()
		if err != nil {
			break
		}
		if frame.GetGoAway() != nil {
			away = frame.GetGoAway()
		}
	}
	if away == nil || !away.Resumable {
		t.Errorf("the stream ended without a resumable go_away: %v", away)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
}
