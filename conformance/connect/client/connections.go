//go:build conformance

package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"

	v1 "github.com/engram-stream/engram/conformance/connect/_gen/connectrpc/conformance/v1"
	engram "github.com/engram-stream/engram/sdk/go"
)

// configuration is what makes clients different from each other; cases of one
// configuration share a client, and so its connections, as callers of the SDK
// do.
type configuration struct {
	base        string
	http        v1.HTTPVersion
	protocol    v1.Protocol
	codec       v1.Codec
	compression v1.Compression
	limit       uint32
	serverCert  string
	clientCert  string
	clientKey   string
}

// connections are the clients by configuration. They may be asked for by many
// goroutines.
type connections struct {
	mu    sync.Mutex
	known map[configuration]*connect.Client
	all   []*http.Transport
}

func (c *connections) of(req *v1.ClientCompatRequest) (*connect.Client, error) {
	scheme := "http"
	if len(req.ServerTlsCert) > 0 {
		scheme = "https"
	}
	conf := configuration{
		base: scheme + "://" + net.JoinHostPort(req.Host, strconv.FormatUint(uint64(req.Port), 10)), http: req.HttpVersion,
		protocol: req.Protocol, codec: req.Codec, compression: req.Compression, limit: req.MessageReceiveLimit,
		serverCert: string(req.ServerTlsCert), clientCert: string(req.ClientTlsCreds.GetCert()), clientKey: string(req.ClientTlsCreds.GetKey()),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if client := c.known[conf]; client != nil {
		return client, nil
	}
	opts, more, err := conf.options(scheme)
	if err != nil {
		return nil, err
	}
	client, transport := engram.Conformance(conf.base, scheme, conf.change, opts, more...)
	if c.known == nil {
		c.known = map[configuration]*connect.Client{}
	}
	c.known[conf], c.all = client, append(c.all, transport)
	return client, nil
}

func (c *connections) close() {
	for _, t := range c.all {
		t.CloseIdleConnections()
	}
}

// change turns the SDK's transport, which speaks HTTP/2 only, to HTTP/1.1.
func (c configuration) change(t *http.Transport) {
	if c.http == v1.HTTPVersion_HTTP_VERSION_1 {
		t.Protocols = new(http.Protocols)
		t.Protocols.SetHTTP1(true)
	}
}

// options are those of the SDK where it has one, and the library's elsewhere.
func (c configuration) options(scheme string) (opts []engram.Option, more []connecthttp.Option, err error) {
	if scheme == "https" {
		secure, err := c.tls()
		if err != nil {
			return nil, nil, err
		}
		opts = append(opts, engram.WithTLS(secure))
	}
	switch c.protocol {
	case v1.Protocol_PROTOCOL_CONNECT:
		more = append(more, connecthttp.WithHTTPGet())
	case v1.Protocol_PROTOCOL_GRPC:
		opts = append(opts, engram.WithGRPC())
	case v1.Protocol_PROTOCOL_GRPC_WEB:
		more = append(more, connecthttp.WithGRPCWeb())
	default:
		return nil, nil, fmt.Errorf("the protocol %v is not known", c.protocol)
	}
	switch c.codec {
	case v1.Codec_CODEC_PROTO:
	case v1.Codec_CODEC_JSON:
		more = append(more, connecthttp.WithProtoJSON())
	default:
		return nil, nil, fmt.Errorf("the codec %v is not known", c.codec)
	}
	switch c.compression {
	case v1.Compression_COMPRESSION_IDENTITY:
	case v1.Compression_COMPRESSION_GZIP:
		// The SDK leaves small messages as they are; the suite looks at small
		// ones.
		opts, more = append(opts, engram.WithCompression()), append(more, connecthttp.WithCompressMinBytes(0))
	default:
		return nil, nil, fmt.Errorf("the compression %v is not known", c.compression)
	}
	if c.limit > 0 {
		more = append(more, connecthttp.WithReadMaxBytes(int(c.limit)))
	}
	return opts, more, nil
}

func (c configuration) tls() (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	if !out.RootCAs.AppendCertsFromPEM([]byte(c.serverCert)) {
		return nil, errors.New("read the server's certificate: it is not PEM")
	}
	if c.clientCert != "" {
		pair, err := tls.X509KeyPair([]byte(c.clientCert), []byte(c.clientKey))
		if err != nil {
			return nil, fmt.Errorf("read the client's certificate: %w", err)
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}
