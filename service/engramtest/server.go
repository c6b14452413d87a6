package engramtest

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/engram-stream/engram/service/internal/config"
	"github.com/engram-stream/engram/service/internal/server"
)

// How long a server may take to start and to stop before the test fails.
const (
	startTimeout = 30 * time.Second
	drainTimeout = 10 * time.Second
)

// Server is a running server. Its fields do not change, not even when it is
// started again.
//
// Owner: the test that started it. Stop, Kill and Restart may be called from
// any goroutine; they take turns.
type Server struct {
	// URL is where it answers, such as http://127.0.0.1:40123.
	URL string
	// Addr is the same without the scheme: what a gRPC client dials.
	Addr string
	// DataDir holds its journal.
	DataDir string

	options options
	mu      sync.Mutex
	life    *life // nil while it is stopped
}

// life is a server between its start and its end.
type life struct {
	server *server.Server
	cancel context.CancelFunc
	done   chan struct{}
	err    error // set before done is closed
}

// Option changes a server before it starts.
type Option func(*options)

type options struct {
	config.Config
	log *slog.Logger
}

// WithDataDir keeps the data in dir, which outlives the server: start a second
// one on the same directory to see what a restart remembers. The first must
// have stopped. The default is a directory of the test's own.
func WithDataDir(dir string) Option { return func(o *options) { o.DataDir = dir } }

// WithIndexThreshold sets the number of observations from which on a space
// builds a graph; 0 builds one from the first.
func WithIndexThreshold(n int) Option { return func(o *options) { o.Space.IndexThreshold = n } }

// WithQueueCapacity bounds each lane of the queue to n observations: a small
// number shows how a client takes refusals and pressure.
func WithQueueCapacity(n int) Option {
	return func(o *options) { o.Queue.High, o.Queue.Normal, o.Queue.Low = n, n, n }
}

// WithLogger sends the server's log to l. The default is the test's output,
// which go test shows for tests that fail.
func WithLogger(l *slog.Logger) Option { return func(o *options) { o.log = l } }

// Start runs a server and returns once it takes observations. It fails the
// test when that does not come about, or when the server's end is not a clean
// one. The server ends when the test does.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	o := options{Config: config.Default()}
	o.Listen, o.Drain.Timeout = "127.0.0.1:0", drainTimeout
	for _, opt := range opts {
		opt(&o)
	}
	if o.DataDir == "" || o.DataDir == config.Default().DataDir {
		o.DataDir = t.TempDir()
	}
	if o.log == nil {
		o.log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	if err := o.Validate(); err != nil {
		t.Fatalf("engramtest: configure: %v", err)
	}
	s := &Server{options: o, DataDir: o.DataDir}
	if err := s.start(); err != nil {
		t.Fatalf("engramtest: %v", err)
	}
	t.Cleanup(func() { s.Stop(t) })
	return s
}

// start begins a life and returns once the server is ready. The first one
// chooses the address, the later ones keep it.
func (s *Server) start() error {
	srv := server.New(s.options.Config, s.options.log, "test")
	if err := srv.Listen(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{server: srv, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		l.err = srv.Run(ctx)
	}()
	if err := l.awaitReady(); err != nil {
		_ = l.end() // the reason is in err
		return err
	}
	s.life = l
	if s.Addr == "" {
		s.Addr = srv.Addr()
		s.URL = "http://" + s.Addr
		s.options.Listen = s.Addr
	}
	return nil
}

// end tells the server to stop and gives what it ended with.
func (l *life) end() error {
	l.cancel()
	<-l.done
	return l.err
}

func (l *life) awaitReady() error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	for {
		ok, why := l.server.Ready()
		if ok {
			return nil
		}
		select {
		case <-tick.C:
		case <-l.done:
			return fmt.Errorf("the server ended while it started: %w", l.err)
		case <-timeout.C:
			return fmt.Errorf("the server is not ready after %v: %s", startTimeout, why)
		}
	}
}

// Stop drains the server and waits for its end. Stopping it again does
// nothing.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop(t)
}

func (s *Server) stop(t testing.TB) {
	t.Helper()
	l := s.life
	s.life = nil
	if l == nil {
		return
	}
	if err := l.end(); err != nil {
		t.Errorf("engramtest: stop: %v", err)
	}
}

// Kill ends the server without a drain: connections are cut off, as when its
// machine fails. What was acked DURABLE is kept all the same.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.life
	s.life = nil
	if l == nil {
		return
	}
	l.server.Kill()
	_ = l.end() // an abrupt end is not clean, and not an error here
}

// Restart starts the server again, on the same address and the same data, and
// returns once it takes observations. A server that still runs is stopped
// first; after Kill this shows what a client finds after a crash.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop(t)
	if err := s.start(); err != nil {
		t.Fatalf("engramtest: restart: %v", err)
	}
}
