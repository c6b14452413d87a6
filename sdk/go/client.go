package engram

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"connectrpc.com/connect/v2/connectproto"
	"go.opentelemetry.io/otel/propagation"

	"github.com/engram-stream/engram/gen/go/engram/v1/engramv1connect"
)

// Transport settings.
const (
	pingEvery      = 15 * time.Second // an idle connection is checked this often
	pingTimeout    = 10 * time.Second
	maxAnswerBytes = 64 << 20

	compressMinBytes = 4096 // smaller messages cost more than they save
)

// Client is a connection to a server. It is safe for concurrent use.
//
// Owner: whoever dialled it, who calls Close. mu guards what is below it, is held
// for no longer than it takes to read it, and never together with a session's.
type Client struct {
	http   *http.Transport
	conns  conns
	memory engramv1connect.MemoryServiceClient
	spaces engramv1connect.SpaceServiceClient
	admin  engramv1connect.AdminServiceClient

	mu       sync.Mutex
	closed   bool
	sessions map[*Session]struct{} // those that are open
}

type options struct {
	tls          *tls.Config
	grpc         bool
	headers      http.Header
	compress     bool
	interceptors []connect.ClientInterceptor
}

// Option changes how a client connects.
type Option func(*options)

// WithTLS connects by TLS.
func WithTLS(c *tls.Config) Option { return func(o *options) { o.tls = c } }

// WithGRPC speaks the gRPC protocol in place of Connect's.
func WithGRPC() Option { return func(o *options) { o.grpc = true } }

// WithHeader sends a header with every call, such as an API key.
func WithHeader(key, value string) Option { return func(o *options) { o.headers.Set(key, value) } }

// WithCompression compresses what is sent, and takes compressed answers. Without
// it neither is: vectors hardly shrink, and it takes longer than a network nearby.
func WithCompression() Option { return func(o *options) { o.compress = true } }

// WithInterceptors adds interceptors to every call, such as otelconnect's.
func WithInterceptors(list ...connect.ClientInterceptor) Option {
	return func(o *options) { o.interceptors = append(o.interceptors, list...) }
}

// Dial makes a client of the server at addr: host:port, or a URL. It does not
// wait for the server: the first call does.
func Dial(addr string, opts ...Option) (*Client, error) {
	o := options{headers: http.Header{}}
	for _, f := range opts {
		f(&o)
	}
	base := addr
	if !strings.Contains(addr, "://") {
		base = "http://" + addr
		if o.tls != nil {
			base = "https://" + addr
		}
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, invalid("addr", "addr is %q; it has to be host:port or an http or https URL", addr)
	}
	if o.tls != nil && u.Scheme != "https" {
		return nil, invalid("addr", "addr is %q, and WithTLS wants https", addr)
	}
	c := &Client{http: o.transport(u.Scheme)}
	c.http.DialContext = c.conns.dial
	o.interceptors = append([]connect.ClientInterceptor{c.whileOpen}, o.interceptors...)
	client := o.over(c.http, base)
	c.memory = engramv1connect.NewMemoryServiceClient(client)
	c.spaces = engramv1connect.NewSpaceServiceClient(client)
	c.admin = engramv1connect.NewAdminServiceClient(client)
	return c, nil
}

// transport makes what carries HTTP/2: by TLS for https, in the clear for http.
func (o *options) transport(scheme string) *http.Transport {
	var p http.Protocols
	if scheme == "https" {
		p.SetHTTP2(true)
	} else {
		p.SetUnencryptedHTTP2(true)
	}
	return &http.Transport{
		Protocols: &p, TLSClientConfig: o.tls, Proxy: http.ProxyFromEnvironment,
		HTTP2:           &http.HTTP2Config{SendPingTimeout: pingEvery, PingTimeout: pingTimeout, MaxReceiveBufferPerStream: 4 << 20, MaxReceiveBufferPerConnection: 16 << 20},
		IdleConnTimeout: 2 * time.Minute,
	}
}

// over makes the client of what is at base; more options come after its own.
func (o *options) over(t *http.Transport, base string, more ...connecthttp.Option) *connect.Client {
	co := []connecthttp.Option{
		connecthttp.WithCodecs(newCodec(), connectproto.NewJSONCodec()), connecthttp.WithReadMaxBytes(maxAnswerBytes),
	}
	if o.compress {
		co = append(co, connecthttp.WithSendGzip(), connecthttp.WithCompressMinBytes(compressMinBytes))
	} else {
		co = append(co, connecthttp.WithCompressors())
	}
	if o.grpc {
		co = append(co, connecthttp.WithGRPC())
	}
	chain := append(slices.Clone(o.interceptors), annotate(o.headers))
	return connect.NewClient(connecthttp.NewTransport(&http.Client{Transport: t}, base, append(co, more...)...), chain...)
}

// annotate puts the client's headers on a call, and the trace context of its
// span, if there is one (https://www.w3.org/TR/trace-context/). An interceptor
// that makes a span of its own has put it into ctx before.
func annotate(headers http.Header) connect.ClientInterceptor {
	return func(next connect.ClientFunc) connect.ClientFunc {
		return func(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
			if info, ok := connect.CallInfoForClientContext(ctx); ok {
				h := info.RequestHeader()
				for k, v := range headers {
					h.SetValues(k, v)
				}
				propagation.TraceContext{}.Inject(ctx, carrier{h})
			}
			return next(ctx, spec)
		}
	}
}
