package server

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"go.uber.org/goleak"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/gen/go/engram/v1/engramv1connect"
	"github.com/engram-stream/engram/service/internal/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a server on a port of its own, with its own directory.
type running struct {
	*Server
	url string
	// stop ends it in good order and gives what Run returned. It may be
	// called more than once.
	stop func() error
}

// start runs a server until the test ends and waits until it is ready.
func start(t *testing.T, change func(*config.Config)) *running {
	t.Helper()
	return startLogging(t, slog.New(slog.NewTextHandler(t.Output(), nil)), change)
}

func startLogging(t *testing.T, log *slog.Logger, change func(*config.Config)) *running {
	t.Helper()
	c := config.Default()
	c.Listen, c.DataDir = "127.0.0.1:0", t.TempDir()
	c.Drain.Timeout = 20 * time.Second
	if change != nil {
		change(&c)
	}
	s := New(c, log, "test")
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var ended error
	go func() {
		defer close(done)
		ended = s.Run(ctx)
	}()
	r := &running{Server: s, url: "http://" + s.Addr(), stop: func() error {
		cancel()
		<-done
		return ended
	}}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if ok, why := s.Ready(); ok {
			return r
		} else if time.Now().After(deadline) {
			t.Fatalf("not ready: %s", why)
		}
	}
}

// client makes an HTTP client that speaks one version of HTTP, without TLS.
func client(t *testing.T, http2 bool) *http.Client {
	t.Helper()
	var p http.Protocols
	p.SetHTTP1(!http2)
	p.SetUnencryptedHTTP2(http2)
	tr := &http.Transport{Protocols: &p}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

func get(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func observe(t *testing.T, c engramv1connect.MemoryServiceClient, ctx context.Context, text string) {
	t.Helper()
	res, err := c.Observe(ctx, &v1.ObserveRequest{Space: "notes", Observations: []*v1.Observation{{Content: text}}})
	if err != nil {
		t.Fatal(err)
	}
	if res.Generation == 0 || len(res.ObservationIds) != 1 {
		t.Fatalf("observed nothing: %v", res)
	}
}

// One port answers every protocol in both versions of HTTP, and all of them
// see the same memory.
func TestOnePortSpeaksEveryProtocol(t *testing.T) {
	s := start(t, nil)
	for _, c := range []struct {
		name  string
		http2 bool
		opts  []connecthttp.Option
	}{
		{"connect over HTTP/1.1", false, nil},
		{"connect over HTTP/2", true, nil},
		{"connect JSON", false, []connecthttp.Option{connecthttp.WithProtoJSON()}},
		{"connect GET", false, []connecthttp.Option{connecthttp.WithHTTPGet()}},
		{"gRPC", true, []connecthttp.Option{connecthttp.WithGRPC()}},
		{"gRPC-Web over HTTP/1.1", false, []connecthttp.Option{connecthttp.WithGRPCWeb()}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := engramv1connect.NewMemoryServiceClient(connect.NewClient(connecthttp.NewTransport(client(t, c.http2), s.url, c.opts...)))
			observe(t, m, t.Context(), "the kettle is in the red box, says "+c.name)
			res, err := m.Recall(t.Context(), &v1.RecallRequest{
				Space: "notes", Cue: &v1.RecallRequest_Text{Text: "the kettle is in the red box, says " + c.name}, Limit: 1,
				Include: &v1.Include{Content: true},
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(res.Results) != 1 || !strings.HasSuffix(res.Results[0].Observation.Content, c.name) {
				t.Fatalf("recalled %v", res.Results)
			}
		})
	}
}

// What was kept is there again for a server that starts on the same directory.
func TestRestartRemembers(t *testing.T) {
	dir := t.TempDir()
	same := func(c *config.Config) { c.DataDir = dir }
	ask := func(s *running) engramv1connect.MemoryServiceClient {
		return engramv1connect.NewMemoryServiceClient(connect.NewClient(connecthttp.NewTransport(client(t, true), s.url)))
	}
	first := start(t, same)
	observe(t, ask(first), t.Context(), "remember me")
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	res, err := ask(start(t, same)).ListObservations(t.Context(), &v1.ListObservationsRequest{Space: "notes", PageSize: 10})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Observations) != 1 {
		t.Fatalf("%d observations after a restart, want 1", len(res.Observations))
	}
}

func TestListenFileAndTakenPort(t *testing.T) {
	file := filepath.Join(t.TempDir(), "address")
	s := start(t, func(c *config.Config) { c.ListenFile = file })
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != s.Addr()+"\n" || strings.HasSuffix(s.Addr(), ":0") {
		t.Fatalf("the listen file says %q, the address is %s", text, s.Addr())
	}
	c := config.Default()
	c.Listen, c.DataDir = s.Addr(), t.TempDir()
	if err := New(c, slog.New(slog.DiscardHandler), "test").Listen(); err == nil {
		t.Fatal("a taken port was not noticed")
	}
}
