package server

import (
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"connectrpc.com/connect/v2/connectproto"
	connectcors "connectrpc.com/cors"
	"connectrpc.com/grpcreflect/v2"
	"connectrpc.com/otelconnect"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/rpc"
)

// Transport settings. There is no timeout for reading a request or writing its
// answer: it would end streams that are meant to stay open. Calls carry their
// own deadlines, and HTTP/2 pings find peers that are gone.
const (
	headerTimeout    = 10 * time.Second
	idleTimeout      = 5 * time.Minute // of a connection without a call
	compressMinBytes = 4096            // acks are tiny: gzip would cost more than it saves
	streamWindow     = 1 << 20         // a peer that never reads stalls one stream, not its connection
	connWindow       = 8 << 20
	maxStreams       = 1000 // of one connection
	corsMaxAge       = 2 * time.Hour
)

// newHTTP makes the HTTP server over a handler: HTTP/1.1 and HTTP/2, with and
// without TLS, on one port.
func (s *Server) newHTTP(h http.Handler) *http.Server {
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: h, Protocols: &p, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerStream: streamWindow, MaxReceiveBufferPerConnection: connWindow,
			SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second,
		},
	}
}

// routes is everything that is served beside the services.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok", "") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if ok, why := s.ready(); !ok {
			answer(w, http.StatusServiceUnavailable, "unavailable", why)
			return
		}
		answer(w, http.StatusOK, "ok", "")
	})
	if s.cfg.Telemetry.Metrics {
		mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{EnableOpenMetrics: true, Registry: s.registry}))
	}
	mux.HandleFunc("GET /{$}", s.landing)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if h := s.services.Load(); h != nil {
			(*h).ServeHTTP(w, r)
			return
		}
		s.notYet(w, r)
	})
	return s.cors(mux)
}

func answer(w http.ResponseWriter, code int, status, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	body := map[string]string{"status": status}
	if why != "" {
		body["reason"] = why
	}
	_ = json.NewEncoder(w).Encode(body) //nolint:errcheck // the peer is gone
}

// notYet answers calls while the journal is read back.
func (s *Server) notYet(w http.ResponseWriter, r *http.Request) {
	ew := connecthttp.NewErrorWriter()
	if !ew.IsSupported(r) {
		answer(w, http.StatusServiceUnavailable, "unavailable", replaying.Message)
		return
	}
	_ = ew.Write(w, r, rpc.Status(replaying)) //nolint:errcheck // the peer is gone
}

var replaying = fault.Retry(fault.Unavailable, fault.Replaying, time.Second, "replaying: the server is starting and reads its journal back; come back in a moment")

// extension is a service that only builds for conformance tests have beside
// those of the contract.
type extension struct {
	register  func(*connect.Server)
	outermost []connect.ServerInterceptor
}

// mount makes the handler of the services.
func (s *Server) mount(h *rpc.Handlers) (http.Handler, error) {
	chain := append(slices.Clone(s.extension.outermost), recovery(s.log))
	if s.traces != nil {
		t, err := otelconnect.NewServerInterceptor(otelconnect.WithTracerProvider(s.traces), otelconnect.WithoutMetrics(),
			otelconnect.WithTrustRemote(), otelconnect.WithPropagator(propagator))
		if err != nil {
			return nil, fmt.Errorf("set up tracing of calls: %w", err)
		}
		chain = append(chain, t)
	}
	server := connect.NewServer(append(chain, h.Interceptors()...)...)
	h.Register(server)
	health{s.ready, s.leaving}.register(server)
	if s.extension.register != nil {
		s.extension.register(server)
	}
	grpcreflect.Register(server, grpcreflect.WithNamer(grpcreflect.NamerFunc(func() []string {
		return append(slices.Clone(rpc.ServiceNames), "grpc.health.v1.Health")
	})))
	mux := http.NewServeMux()
	jsonCodec := connectproto.NewJSONCodec()
	jsonCodec.UnmarshalOptions.DiscardUnknown = true // fields of newer clients are survived
	connecthttp.Mount(mux, server,
		connecthttp.WithCodecs(newCodec(), jsonCodec),
		connecthttp.WithCompressMinBytes(compressMinBytes),
		connecthttp.WithReadMaxBytes(int(s.cfg.Limits.MaxRequestBytes)),
	)
	return mux, nil
}

// cors lets pages of the configured origins call. Without any, no header is
// set and browsers refuse by themselves.
func (s *Server) cors(next http.Handler) http.Handler {
	origins := s.cfg.CORS.AllowedOrigins
	if len(origins) == 0 {
		return next
	}
	methods, headers := strings.Join(connectcors.AllowedMethods(), ", "), strings.Join(append(connectcors.AllowedHeaders(), "Traceparent", "Tracestate"), ", ")
	exposed := strings.Join(connectcors.ExposedHeaders(), ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		if origin == "" || (!slices.Contains(origins, origin) && !slices.Contains(origins, "*")) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Expose-Headers", exposed)
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			w.Header().Set("Access-Control-Allow-Methods", methods)
			w.Header().Set("Access-Control-Allow-Headers", headers)
			w.Header().Set("Access-Control-Max-Age", fmt.Sprint(int(corsMaxAge.Seconds())))
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// landing tells a person who opens the address what this is.
func (s *Server) landing(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	state := "ready"
	if ok, why := s.ready(); !ok {
		state = why
	}
	_, _ = fmt.Fprintf(w, landingPage, html.EscapeString(s.version), html.EscapeString(state), html.EscapeString(r.Host), html.EscapeString(r.Host)) //nolint:errcheck // the peer is gone
}

const landingPage = `<!doctype html><meta charset="utf-8"><title>Engram</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}pre{background:#f4f4f4;padding:1rem;overflow:auto}</style>
<h1>Engram %s</h1>
<p>A streaming memory server. State: <b>%s</b>.</p>
<pre>curl -H 'content-type: application/json' \
  -d '{"space":"notes","observations":[{"content":"the kettle is in the red box"}]}' \
  http://%s/engram.v1.MemoryService/Observe

curl -H 'content-type: application/json' \
  -d '{"space":"notes","text":"where is the kettle?"}' \
  http://%s/engram.v1.MemoryService/Recall</pre>
<p><a href="/metrics">metrics</a> · <a href="/readyz">readiness</a></p>
`

// adminRoutes is what the admin address serves: profiles.
func adminRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
