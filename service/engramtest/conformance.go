//go:build conformance

package engramtest

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"

	"connectrpc.com/connect/v2"

	"github.com/engram-stream/engram/service/internal/config"
	"github.com/engram-stream/engram/service/internal/server"
)

// Extended describes a server with a service of a test's own beside those of
// the contract. It exists under the build tag conformance only.
type Extended struct {
	Register  func(*connect.Server)       // adds the service
	Outermost []connect.ServerInterceptor // stand outside of the server's own
	TLS       *tls.Config                 // nil: none
	// MaxRequestBytes bounds one request or frame; 0 leaves the default.
	MaxRequestBytes uint32
	Log             *slog.Logger
}

// Serve runs it on a loopback port, with everything that `engram serve` has
// around it, until ctx ends. ready is called once, with the address.
func (x Extended) Serve(ctx context.Context, ready func(addr string) error) error {
	dir, err := os.MkdirTemp("", "engram-conformance-*")
	if err != nil {
		return fmt.Errorf("make a data directory: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	c := config.Default()
	c.Listen, c.DataDir, c.Drain.Timeout = "127.0.0.1:0", dir, drainTimeout
	c.CORS.AllowedOrigins = []string{"https://conformance.example.com"}
	if x.MaxRequestBytes > 0 {
		c.Limits.MaxRequestBytes = config.Size(x.MaxRequestBytes)
		// The smaller ones have to fit into it.
		c.Limits.MaxObservationBytes = min(c.Limits.MaxObservationBytes, c.Limits.MaxRequestBytes)
		c.Limits.MaxContentBytes = min(c.Limits.MaxContentBytes, c.Limits.MaxRequestBytes)
		c.Limits.MaxMetadataBytes = min(c.Limits.MaxMetadataBytes, c.Limits.MaxRequestBytes)
	}
	if err := c.Validate(); err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	srv := server.New(c, x.Log, "conformance")
	srv.Extend(x.Register, x.Outermost...)
	if err := srv.Listen(); err != nil {
		return err
	}
	if x.TLS != nil {
		srv.SecureWith(x.TLS)
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &life{server: srv, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		l.err = srv.Run(ctx)
	}()
	if err := l.awaitReady(); err != nil {
		_ = l.end() // the reason is in err
		return err
	}
	if err := ready(srv.Addr()); err != nil {
		_ = l.end() // nobody knows of the server
		return err
	}
	<-l.done
	cancel()
	return l.err
}
