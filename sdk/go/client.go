package engram

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
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
type Client struct {
	http   *http.Transport
	memory engramv1connect.MemoryServiceClient
	spaces engramv1connect.SpaceServiceClient
	admin  engramv1connect.AdminServiceClient
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
		return nil, &Error{Code: "invalid_argument", Reason: "INVALID_FIELD", Field: "addr", Message: fmt.Sprintf("addr is %q; it has to be host:port or an http or https URL", addr)}
	}
	if o.tls != nil && u.Scheme != "https" {
		return nil, &Error{Code: "invalid_argument", Reason: "INVALID_FIELD", Field: "addr", Message: fmt.Sprintf("addr is %q, and WithTLS wants https", addr)}
	}
	var p http.Protocols
	if u.Scheme == "https" {
		p.SetHTTP2(true)
	} else {
		p.SetUnencryptedHTTP2(true)
	}
	t := &http.Transport{
		Protocols: &p, TLSClientConfig: o.tls, Proxy: http.ProxyFromEnvironment,
		HTTP2:           &http.HTTP2Config{SendPingTimeout: pingEvery, PingTimeout: pingTimeout, MaxReceiveBufferPerStream: 4 << 20, MaxReceiveBufferPerConnection: 16 << 20},
		IdleConnTimeout: 2 * time.Minute,
	}
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
	client := connect.NewClient(connecthttp.NewTransport(&http.Client{Transport: t}, base, co...), chain...)
	return &Client{
		http:   t,
		memory: engramv1connect.NewMemoryServiceClient(client),
		spaces: engramv1connect.NewSpaceServiceClient(client),
		admin:  engramv1connect.NewAdminServiceClient(client),
	}, nil
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

// carrier lets a trace context be written into headers.
type carrier struct{ *connect.Header }

// Keys is for reading, which nobody does.
func (carrier) Keys() []string { return nil }

// Close closes idle connections. Sessions are closed by themselves, before.
func (c *Client) Close() { c.http.CloseIdleConnections() }
