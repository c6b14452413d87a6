//go:build conformance

// Command server is the server under test: what `engram serve` starts, with the
// suite's ConformanceService beside the services of the contract. It reads one
// ServerCompatRequest, serves until it is told to stop, and writes one
// ServerCompatResponse when it is there.
//
// The interceptors' work is all done, tracing's too: spans go to a collector in
// the same process. One thing is taken back, outside of them all: the ErrorInfo
// that every error of Engram carries, since the suite compares the details of an
// error with those it asked for.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"connectrpc.com/connect/v2"

	v1 "github.com/engram-stream/engram/conformance/connect/_gen/connectrpc/conformance/v1"
	"github.com/engram-stream/engram/conformance/connect/_gen/connectrpc/conformance/v1/conformancev1connect"
	"github.com/engram-stream/engram/conformance/connect/wire"
	"github.com/engram-stream/engram/service/engramtest"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "server under test:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var req v1.ServerCompatRequest
	if err := wire.Read(os.Stdin, &req); err != nil {
		return err
	}
	secure, cert, err := secured(&req)
	if err != nil {
		return err
	}
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer collector.Close()
	if err := errors.Join(os.Setenv("OTEL_TRACES_EXPORTER", "otlp"), os.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)); err != nil {
		return err
	}
	return engramtest.Extended{
		Register: func(s *connect.Server) {
			conformancev1connect.RegisterConformanceServiceHandler(s, service{})
		},
		Outermost:       []connect.ServerInterceptor{timed, plainErrors},
		TLS:             secure,
		MaxRequestBytes: req.MessageReceiveLimit,
		Log:             slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	}.Serve(ctx, func(addr string) error {
		host, text, err := net.SplitHostPort(addr)
		if err != nil {
			return err
		}
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return err
		}
		return wire.Write(os.Stdout, &v1.ServerCompatResponse{Host: host, Port: uint32(port), PemCert: cert})
	})
}

// secured makes the TLS settings a configuration asks for; nil for none. Which
// HTTP is spoken is agreed upon by ALPN.
func secured(req *v1.ServerCompatRequest) (*tls.Config, []byte, error) {
	if !req.UseTls {
		return nil, nil, nil
	}
	pair, err := tls.X509KeyPair(req.ServerCreds.GetCert(), req.ServerCreds.GetKey())
	if err != nil {
		return nil, nil, fmt.Errorf("read the server's certificate: %w", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	if len(req.ClientTlsCert) > 0 {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		if !c.ClientCAs.AppendCertsFromPEM(req.ClientTlsCert) {
			return nil, nil, errors.New("read the clients' certificate: it is not PEM")
		}
	}
	return c, req.ServerCreds.GetCert(), nil
}

// plainErrors takes the ErrorInfo of Engram from errors, and nothing else.
func plainErrors(next connect.ServerFunc) connect.ServerFunc {
	return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
		err := next(ctx, spec, stream)
		var e *connect.Error
		if !errors.As(err, &e) {
			return err
		}
		out := connect.NewError(e.Code(), e.Message())
		for _, d := range e.Details() {
			if d.Type != "google.rpc.ErrorInfo" {
				out = out.WithDetail(d)
			}
		}
		return out
	}
}
