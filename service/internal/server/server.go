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
	services atomic.Pointer[http.Handler]
	backend  atomic.Pointer[backend] // set once the services are in place
	leaving  chan struct{}           // closed when the stop begins
	leave    sync.Once
	killed   atomic.Bool

	extension extension // of tests of the protocol; see Extend
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
			err = errors.Join(fmt.Errorf("write listen file: %w", err), l.Close())
			if s.admin != nil {
				err = errors.Join(err, s.admin.Close())
			}
			return err
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
	select {
	case <-s.leaving:
		return false, draining
	default:
	}
	if b := s.backend.Load(); b != nil {
		return (*b).Ready()
	}
	return false, replaying.Message
}

const draining = "the server is shutting down; come back in a moment"

// Run serves until ctx ends, then stops in good order. An error is one of
// starting, or of the journal.
func (s *Server) Run(ctx context.Context) error {
	web := s.newHTTP(s.routes())
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
	adminWeb := &http.Server{Handler: adminRoutes(), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout}
	if s.admin != nil {
		serve(adminWeb, s.admin)
	}
	err := s.start(ctx)
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-failed:
		}
	} else if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = nil // told to stop while it read its journal back: a stop like any other
	}
	return errors.Join(err, s.stop(web, adminWeb, &serving))
}

// start puts the services in place, which answer recalls from the checkpoints,
// and reads the journal back.
func (s *Server) start(ctx context.Context) (err error) {
	if s.traces, err = tracing(ctx, s.version, s.log); err != nil {
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
	e, err := engine.Open(ctx, opts)
	if err != nil {
		err = fmt.Errorf("open %s: %w", s.cfg.DataDir, err)
		for _, emb := range opts.Embedders {
			err = errors.Join(err, emb.Close())
		}
		return err
	}
	h := rpc.New(e, s.log, s.version)
	mux, err := s.mount(h)
	if err != nil {
		return errors.Join(err, e.Close())
	}
	if err := s.metrics.Watch(s.registry, e.Reading); err != nil {
		return errors.Join(err, e.Close())
	}
	s.services.Store(&mux)
	b := backend(live{e, h})
	s.backend.Store(&b)
	select {
	case <-e.Replayed():
		if err := e.ReplayError(); err != nil {
			return fmt.Errorf("read back %s: %w", s.cfg.DataDir, err)
		}
	case <-ctx.Done(): // the stop ends the reading
		return nil
	}
	s.log.Info("serving", "address", s.Addr(), "data_dir", s.cfg.DataDir, "version", s.version)
	return nil
}

// Kill makes the coming stop abrupt: nothing is drained, calls are cut off. For
// tests of what clients do then; what was acked DURABLE is kept all the same.
func (s *Server) Kill() { s.killed.Store(true) }
