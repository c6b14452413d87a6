package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/engram-stream/engram/service/internal/config"
	"github.com/engram-stream/engram/service/internal/engine"
	"github.com/engram-stream/engram/service/internal/rpc"
	"github.com/engram-stream/engram/service/internal/telemetry"
)

var propagator = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})

// Server is one server. Listen and Run are called once each, in this order, by
// its owner; Addr and Ready may be called by anyone in between and after.
type Server struct {
	cfg      config.Config
	log      *slog.Logger
	version  string
	registry *prometheus.Registry
	metrics  *telemetry.Metrics
	traces   *sdktrace.TracerProvider

	listener net.Listener
	admin    net.Listener
	handlers *rpc.Handlers // set before services
	services atomic.Pointer[http.Handler]
	engine   atomic.Pointer[engine.Engine]
	leaving  chan struct{}
	leave    sync.Once
	killed   atomic.Bool
}

// New makes a server of a validated configuration.
func New(c config.Config, log *slog.Logger, version string) *Server {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &Server{
		cfg: c, log: log, version: version, registry: reg, metrics: telemetry.NewMetrics(reg, c.Telemetry.MetricSpaceLimit), leaving: make(chan struct{}),
	}
}

// Listen opens the addresses, so that a port that is taken is noticed before
// anything else happens, and writes the one it got to the listen file.
func (s *Server) Listen() error {
	l, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.listener = l
	if s.cfg.AdminListen != "" {
		if s.admin, err = net.Listen("tcp", s.cfg.AdminListen); err != nil {
			return errors.Join(fmt.Errorf("listen for administration: %w", err), l.Close())
		}
	}
	if s.cfg.ListenFile != "" {
		if err := writeWhole(s.cfg.ListenFile, s.Addr()+"\n"); err != nil {
			return errors.Join(fmt.Errorf("write listen file: %w", err), l.Close())
		}
	}
	return nil
}

// Addr is the address it listens on, host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// writeWhole replaces a file so that a reader never sees half of it.
func writeWhole(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".listen-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // renamed by then, or of no use
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// Ready reports whether observations are taken, and if not, why.
func (s *Server) Ready() (bool, string) { return s.ready() }

func (s *Server) ready() (bool, string) {
	if e := s.engine.Load(); e != nil {
		return e.Ready()
	}
	return false, replaying.Message
}

// Run serves until ctx ends, then stops in good order. An error is one of
// starting, or of the journal.
func (s *Server) Run(ctx context.Context) error {
	web := newHTTP(s.routes())
	failed := make(chan error, 2)
	var serving sync.WaitGroup
	serve := func(h *http.Server, l net.Listener) {
		serving.Add(1)
		go func() {
			defer serving.Done()
			if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
			}
		}()
	}
	serve(web, s.listener)
	adminWeb := &http.Server{Handler: adminRoutes(), ReadHeaderTimeout: headerTimeout}
	if s.admin != nil {
		serve(adminWeb, s.admin)
	}
	err := s.start(ctx)
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-failed:
		}
	}
	return errors.Join(err, s.stop(web, adminWeb, &serving))
}

// start reads the journal back and puts the services in place.
func (s *Server) start(ctx context.Context) (err error) {
	if s.traces, err = tracing(ctx, s.version); err != nil {
		return err
	}
	rec := telemetry.Recorder(s.metrics)
	if s.traces != nil {
		rec = telemetry.Combine(s.metrics, telemetry.NewTracer(s.traces))
	}
	opts, err := engineOptions(ctx, s.cfg, s.log, rec)
	if err != nil {
		return err
	}
	e, err := engine.New(ctx, opts)
	if err != nil {
		return fmt.Errorf("open %s: %w", s.cfg.DataDir, err)
	}
	h := rpc.New(e, s.log, s.version)
	mux, err := s.mount(h)
	if err != nil {
		return errors.Join(err, e.Close())
	}
	if err := s.metrics.Watch(s.registry, e.Reading); err != nil {
		return errors.Join(err, e.Close())
	}
	s.handlers = h
	s.services.Store(&mux)
	s.engine.Store(e)
	s.log.Info("serving", "address", s.Addr(), "data_dir", s.cfg.DataDir, "version", s.version)
	return nil
}

// stop ends everything in order: nobody new, finish, close.
func (s *Server) stop(web, admin *http.Server, serving *sync.WaitGroup) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Drain.Timeout)
	defer cancel()
	e := s.engine.Load()
	var err error
	s.leave.Do(func() { close(s.leaving) })
	if e != nil && !s.killed.Load() {
		s.handlers.Leave()
		if err = e.Drain(ctx); err != nil {
			err = fmt.Errorf("drain: %w", err)
		}
	}
	if s.killed.Load() || web.Shutdown(ctx) != nil {
		s.log.Warn("calls were still under way and are cut off", "after", time.Since(began).Round(time.Millisecond))
		err = errors.Join(err, ignoreClosed(web.Close()))
	}
	err = errors.Join(err, ignoreClosed(admin.Close()))
	serving.Wait()
	if e != nil {
		s.handlers.Wait()
		err = errors.Join(err, e.Close())
	}
	if s.traces != nil {
		flush, done := context.WithTimeout(context.Background(), 5*time.Second)
		defer done()
		err = errors.Join(err, s.traces.Shutdown(flush))
	}
	s.log.Info("stopped", "took", time.Since(began).Round(time.Millisecond))
	return err
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Kill makes the coming stop abrupt: nothing is drained, calls are cut off. For
// tests of what clients do then; what was acked DURABLE is kept all the same.
func (s *Server) Kill() { s.killed.Store(true) }
