//go:build conformance

package main

import (
	"context"
	"errors"
	"io"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	v1 "github.com/engram-stream/engram/conformance/connect/_gen/connectrpc/conformance/v1"
	"github.com/engram-stream/engram/conformance/connect/_gen/connectrpc/conformance/v1/conformancev1connect"
	"github.com/engram-stream/engram/conformance/connect/wire"
)

// service answers as each request says it should, and tells what it saw of the
// request. The rules are in the comments of the suite's service.proto.
type service struct {
	conformancev1connect.UnimplementedConformanceServiceHandler
}

func (service) Unary(ctx context.Context, req *v1.UnaryRequest) (*v1.UnaryResponse, error) {
	p, err := one(ctx, req.ResponseDefinition, req)
	if err != nil {
		return nil, err
	}
	return &v1.UnaryResponse{Payload: p}, nil
}

func (service) IdempotentUnary(ctx context.Context, req *v1.IdempotentUnaryRequest) (*v1.IdempotentUnaryResponse, error) {
	p, err := one(ctx, req.ResponseDefinition, req)
	if err != nil {
		return nil, err
	}
	return &v1.IdempotentUnaryResponse{Payload: p}, nil
}

func (service) ClientStream(ctx context.Context, stream conformancev1connect.ConformanceServiceClientStreamServerStream) (*v1.ClientStreamResponse, error) {
	var def *v1.UnaryResponseDefinition
	var requests []proto.Message
	for {
		m, err := stream.Receive()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(requests) == 0 {
			def = m.ResponseDefinition
		}
		requests = append(requests, m)
	}
	p, err := one(ctx, def, requests...)
	if err != nil {
		return nil, err
	}
	return &v1.ClientStreamResponse{Payload: p}, nil
}

func (service) ServerStream(ctx context.Context, req *v1.ServerStreamRequest, stream conformancev1connect.ConformanceServiceServerStreamServerStream) error {
	a := answers{def: req.ResponseDefinition, headers: stream.SendHeaders, send: func(p *v1.ConformancePayload) error {
		return stream.Send(&v1.ServerStreamResponse{Payload: p})
	}}
	if err := a.begin(ctx); err != nil {
		return err
	}
	return a.rest(ctx, req)
}

func (service) BidiStream(ctx context.Context, stream conformancev1connect.ConformanceServiceBidiStreamServerStream) error {
	a := answers{headers: stream.SendHeaders, send: func(p *v1.ConformancePayload) error {
		return stream.Send(&v1.BidiStreamResponse{Payload: p})
	}}
	var fullDuplex, begun bool
	var requests []proto.Message // not told of yet
	for {
		m, err := stream.Receive()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		requests = append(requests, m)
		if !begun {
			begun, fullDuplex, a.def = true, m.FullDuplex, m.ResponseDefinition
			if err := a.begin(ctx); err != nil {
				return err
			}
		}
		if !fullDuplex {
			continue
		}
		if !a.more() {
			break
		}
		if err := a.next(ctx, requests...); err != nil {
			return err
		}
		requests = nil
	}
	return a.rest(ctx, requests...)
}

// answers is what a stream sends: the messages its definition lists, one after
// the other, then its error.
type answers struct {
	def     *v1.StreamResponseDefinition
	headers func() error
	send    func(*v1.ConformancePayload) error
	sent    int
}

// begin sends the headers.
func (a *answers) begin(ctx context.Context) error {
	if a.def == nil {
		return nil
	}
	if err := annotate(ctx, a.def.ResponseHeaders, a.def.ResponseTrailers); err != nil {
		return err
	}
	if len(a.def.ResponseData) == 0 {
		return nil // an error alone may travel with the headers
	}
	return a.headers()
}

func (a *answers) more() bool { return a.sent < len(a.def.GetResponseData()) }

// next sends one message; the first tells of the whole request, the later ones
// of the messages that came since.
func (a *answers) next(ctx context.Context, requests ...proto.Message) error {
	p := &v1.ConformancePayload{Data: a.def.ResponseData[a.sent]}
	if a.sent == 0 {
		info, err := seen(ctx, requests)
		if err != nil {
			return err
		}
		p.RequestInfo = info
	} else if len(requests) > 0 {
		list, err := anys(requests)
		if err != nil {
			return err
		}
		p.RequestInfo = &v1.ConformancePayload_RequestInfo{Requests: list}
	}
	pause(a.def.ResponseDelayMs)
	a.sent++
	return a.send(p)
}

// rest sends what is left, and ends with the error of the definition, which
// tells of the request if no message did.
func (a *answers) rest(ctx context.Context, requests ...proto.Message) error {
	for a.more() {
		if err := a.next(ctx, requests...); err != nil {
			return err
		}
		requests = nil
	}
	if a.sent > 0 || a.def.GetError() == nil {
		return wire.ToConnect(a.def.GetError())
	}
	return failing(ctx, a.def.Error, requests)
}

// one makes the payload of a single response, or the error in its place.
func one(ctx context.Context, def *v1.UnaryResponseDefinition, requests ...proto.Message) (*v1.ConformancePayload, error) {
	if def != nil {
		if err := annotate(ctx, def.ResponseHeaders, def.ResponseTrailers); err != nil {
			return nil, err
		}
		pause(def.ResponseDelayMs)
		if e := def.GetError(); e != nil {
			return nil, failing(ctx, e, requests)
		}
	}
	info, err := seen(ctx, requests)
	if err != nil {
		return nil, err
	}
	return &v1.ConformancePayload{Data: def.GetResponseData(), RequestInfo: info}, nil
}

// failing is the error of a definition, with what was seen of the request.
func failing(ctx context.Context, e *v1.Error, requests []proto.Message) error {
	info, err := seen(ctx, requests)
	if err != nil {
		return err
	}
	detail, err := anypb.New(info)
	if err != nil {
		return err
	}
	return wire.ToConnect(e, detail)
}

// seen tells of a request: its headers, the time it has, its messages and, of
// one by GET, the query.
func seen(ctx context.Context, requests []proto.Message) (*v1.ConformancePayload_RequestInfo, error) {
	call, err := callOf(ctx)
	if err != nil {
		return nil, err
	}
	list, err := anys(requests)
	if err != nil {
		return nil, err
	}
	info := &v1.ConformancePayload_RequestInfo{RequestHeaders: wire.Headers(call.RequestHeader()), Requests: list}
	if given, ok := ctx.Value(timeKey{}).(time.Duration); ok {
		info.TimeoutMs = proto.Int64(given.Milliseconds())
	}
	if over, ok := connecthttp.ServerInfoForContext(ctx); ok && len(over.HTTPGetQueryParams()) > 0 {
		info.ConnectGetInfo = &v1.ConformancePayload_ConnectGetInfo{}
		for name, values := range over.HTTPGetQueryParams() {
			info.ConnectGetInfo.QueryParams = append(info.ConnectGetInfo.QueryParams, &v1.Header{Name: name, Value: values})
		}
	}
	return info, nil
}

// timeKey is the key of the time a call was given, in its context.
type timeKey struct{}

// timed remembers how much time a call has as soon as it is there: later, the
// machine's load would be part of the figure.
func timed(next connect.ServerFunc) connect.ServerFunc {
	return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
		if deadline, ok := ctx.Deadline(); ok {
			ctx = context.WithValue(ctx, timeKey{}, time.Until(deadline))
		}
		return next(ctx, spec, stream)
	}
}

func anys(messages []proto.Message) (list []*anypb.Any, err error) {
	for _, m := range messages {
		a, err := anypb.New(m)
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

func annotate(ctx context.Context, headers, trailers []*v1.Header) error {
	call, err := callOf(ctx)
	if err != nil {
		return err
	}
	wire.AddHeaders(headers, call.ResponseHeader())
	wire.AddHeaders(trailers, call.ResponseTrailer())
	return nil
}

func callOf(ctx context.Context) (*connect.CallInfo, error) {
	call, ok := connect.CallInfoForServerContext(ctx)
	if !ok {
		return nil, errors.New("the context of a handler has no call")
	}
	return call, nil
}

// pause waits as long as a case asks for, also when the caller's deadline passes
// meanwhile: where one does, the suite looks at how the caller's side ends the
// call, and an answer of this side at the same moment would race with that.
func pause(ms uint32) { time.Sleep(time.Duration(ms) * time.Millisecond) }
