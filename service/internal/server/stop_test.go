package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/engram-stream/engram/service/internal/config"
)

// recording is a backend that notes in which order it is stopped, and what the
// server said of itself meanwhile.
type recording struct {
	server *Server
	drain  func(context.Context) error

	mu    sync.Mutex
	calls []string
}

func (r *recording) note(call string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ok, _ := r.server.ready(); ok {
		call += " while ready"
	}
	r.calls = append(r.calls, call)
}

func (r *recording) Ready() (bool, string) { return true, "" }
func (r *recording) Leave()                { r.note("leave") }
func (r *recording) Wait()                 { r.note("wait") }
func (r *recording) Close() error          { r.note("close"); return nil }
func (r *recording) Drain(ctx context.Context) error {
	r.note("drain")
	return r.drain(ctx)
}

// stopping sets up a server that serves call at /call from a recording
// backend; the returned function stops it.
func stopping(t *testing.T, timeout time.Duration, drain func(context.Context) error, call http.HandlerFunc) (*recording, string, func() error) {
	t.Helper()
	c := config.Default()
	c.Drain.Timeout = timeout
	s := New(c, slog.New(slog.NewTextHandler(t.Output(), nil)), "test")
	rec := &recording{server: s, drain: drain}
	b := backend(rec)
	s.backend.Store(&b)
	services := http.Handler(call)
	s.services.Store(&services)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := s.newHTTP(s.routes())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := web.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	if ok, why := s.ready(); !ok {
		t.Fatalf("not ready: %s", why)
	}
	return rec, "http://" + l.Addr().String() + "/call", func() error { return s.stop(web, &http.Server{}, &serving) }
}

// A call that is under way is finished between the drain and the close.
func TestStopGoesInOrder(t *testing.T) {
	entered, finish := make(chan struct{}), make(chan struct{})
	var rec *recording
	drain := func(context.Context) error {
		close(finish)
		return nil
	}
	rec, url, stop := stopping(t, 20*time.Second, drain, func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-finish
		rec.note("answer")
		w.WriteHeader(http.StatusOK)
	})
	answered := make(chan int, 1)
	c := client(t, true)
	go func() {
		res, err := c.Get(url)
		if err != nil {
			t.Error(err)
			answered <- 0
			return
		}
		_ = res.Body.Close()
		answered <- res.StatusCode
	}()
	<-entered
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if code := <-answered; code != http.StatusOK {
		t.Errorf("the call under way was answered %d", code)
	}
	if want := []string{"leave", "drain", "answer", "wait", "close"}; !slices.Equal(rec.calls, want) {
		t.Errorf("stopped by %v, want %v", rec.calls, want)
	}
}

// Neither a drain nor a call that does not end keeps the engine from being
// closed, and the error says what was cut short.
func TestStopIsBounded(t *testing.T) {
	entered := make(chan struct{})
	drain := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	rec, url, stop := stopping(t, 50*time.Millisecond, drain, func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done() // until it is cut off
	})
	cut := make(chan error, 1)
	c := client(t, false)
	go func() {
		res, err := c.Get(url)
		if err == nil {
			_ = res.Body.Close()
		}
		cut <- err
	}()
	<-entered
	err := stop()
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "drain") {
		t.Errorf("stop: %v", err)
	}
	if err := <-cut; err == nil {
		t.Error("the endless call was answered")
	}
	if want := []string{"leave", "drain", "wait", "close"}; !slices.Equal(rec.calls, want) {
		t.Errorf("stopped by %v, want %v", rec.calls, want)
	}
}

func TestKillDrainsNothing(t *testing.T) {
	rec, _, stop := stopping(t, 20*time.Second, nil, http.NotFound)
	rec.server.Kill()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if want := []string{"wait", "close"}; !slices.Equal(rec.calls, want) {
		t.Errorf("stopped by %v, want %v", rec.calls, want)
	}
}

// Being told to stop before it is ready is no failure.
func TestStopBeforeReady(t *testing.T) {
	c := config.Default()
	c.Listen, c.DataDir = "127.0.0.1:0", t.TempDir()
	s := New(c, slog.New(slog.NewTextHandler(t.Output(), nil)), "test")
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
}
