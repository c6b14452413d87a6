package engramtest

import (
	"context"
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

// Server is a running server. Its fields do not change.
type Server struct {
	// URL is where it answers, such as http://127.0.0.1:40123.
	URL string
	// Addr is the same without the scheme: what a gRPC client dials.
	Addr string
	// DataDir holds its journal.
	DataDir string

	server *server.Server
	cancel context.CancelFunc
	done   chan struct{}
	err    error // set before done is closed
	once   sync.Once
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
	s := &Server{server: server.New(o.Config, o.log, "test"), done: make(chan struct{}), DataDir: o.DataDir}
	if err := s.server.Listen(); err != nil {
		t.Fatalf("engramtest: %v", err)
	}
	s.Addr = s.server.Addr()
	s.URL = "http://" + s.Addr
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go func() {
		defer close(s.done)
		s.err = s.server.Run(ctx)
	}()
	t.Cleanup(func() { s.Stop(t) })
	s.awaitReady(t)
	return s
}

func (s *Server) awaitReady(t testing.TB) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	for {
		ok, why := s.server.Ready()
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-s.done:
			t.Fatalf("engramtest: the server ended while it started: %v", s.err)
		case <-timeout.C:
			t.Fatalf("engramtest: the server is not ready after %v: %s", startTimeout, why)
		}
	}
}

// Stop drains the server and waits for its end. Stopping it again does
// nothing. It may be called from any goroutine.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.cancel()
	<-s.done
	s.once.Do(func() {
		if s.err != nil {
			t.Errorf("engramtest: stop: %v", s.err)
		}
	})
}

// Kill ends the server without a drain: connections are cut off, as when its
// machine fails. What was acked DURABLE is kept all the same.
func (s *Server) Kill() {
	s.server.Kill()
	s.cancel()
	<-s.done
	s.once.Do(func() {}) // an abrupt end is not clean, and not an error here
}
