//go:build conformance

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"connectrpc.com/connect/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	v1 "github.com/engram-stream/engram/conformance/connect/_gen/connectrpc/conformance/v1"
	"github.com/engram-stream/engram/conformance/connect/_gen/connectrpc/conformance/v1/conformancev1connect"
	"github.com/engram-stream/engram/conformance/connect/wire"
)

// invoke makes one call. An error is one of the case, not of the call, whose
// own is part of the result.
func invoke(ctx context.Context, all *connections, req *v1.ClientCompatRequest) (*v1.ClientResponseResult, error) {
	if req.GetService() != conformancev1connect.ConformanceServiceName {
		return nil, fmt.Errorf("the service %q is not known", req.GetService())
	}
	client, err := all.of(req)
	if err != nil {
		return nil, err
	}
	if req.TimeoutMs != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(*req.TimeoutMs)*time.Millisecond)
		defer cancel()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx, info := connect.NewClientContext(ctx)
	wire.AddHeaders(req.RequestHeaders, info.RequestHeader())
	call := call{req: req, cancelling: cancellingOf(req, cancel), result: &v1.ClientResponseResult{}}
	service := conformancev1connect.NewConformanceServiceClient(client)
	switch req.GetMethod() {
	case "Unary":
		err = unary(ctx, call, service.Unary)
	case "IdempotentUnary":
		err = unary(ctx, call, service.IdempotentUnary)
	case "Unimplemented":
		err = unary(ctx, call, service.Unimplemented)
	case "ServerStream":
		err = call.serverStream(ctx, service)
	case "ClientStream":
		err = call.clientStream(ctx, service)
	case "BidiStream":
		err = call.bidiStream(ctx, service)
	default:
		err = fmt.Errorf("the method %q is not known", req.GetMethod())
	}
	call.result.ResponseHeaders = wire.Headers(info.ResponseHeader())
	call.result.ResponseTrailers = wire.Headers(info.ResponseTrailer())
	return call.result, err
}

// call is one call under way. It belongs to one goroutine.
type call struct {
	cancelling
	req    *v1.ClientCompatRequest
	result *v1.ClientResponseResult
}

// payloadOf is what a response carries; some carry nothing.
func payloadOf(m proto.Message) []*v1.ConformancePayload {
	if has, ok := m.(interface{ GetPayload() *v1.ConformancePayload }); ok {
		return []*v1.ConformancePayload{has.GetPayload()}
	}
	return nil
}

// message makes the message in a, of the type that a method takes.
func message[T any, M interface {
	*T
	proto.Message
}](a *anypb.Any) (M, error) {
	m := M(new(T))
	if err := a.UnmarshalTo(m); err != nil {
		return nil, fmt.Errorf("read a message of the case: %w", err)
	}
	return m, nil
}

func (c *call) delay() { time.Sleep(time.Duration(c.req.RequestDelayMs) * time.Millisecond) }

func unary[Q, S any, MQ interface {
	*Q
	proto.Message
}, MS interface {
	*S
	proto.Message
}](ctx context.Context, c call, method func(context.Context, MQ) (MS, error)) error {
	if len(c.req.RequestMessages) != 1 {
		return fmt.Errorf("the case has %d messages for a call that takes one", len(c.req.RequestMessages))
	}
	m, err := message[Q, MQ](c.req.RequestMessages[0])
	if err != nil {
		return err
	}
	c.delay()
	defer c.closed()()
	res, err := method(ctx, m)
	if err == nil {
		c.result.Payloads = payloadOf(res)
	}
	c.result.Error = wire.FromConnect(err)
	return nil
}

func (c *call) serverStream(ctx context.Context, service conformancev1connect.ConformanceServiceClient) error {
	if len(c.req.RequestMessages) != 1 {
		return fmt.Errorf("the case has %d messages for a call that takes one", len(c.req.RequestMessages))
	}
	m, err := message[v1.ServerStreamRequest](c.req.RequestMessages[0])
	if err != nil {
		return err
	}
	c.delay()
	stream, err := service.ServerStream(ctx, m)
	if err != nil {
		c.result.Error = wire.FromConnect(err)
		return nil
	}
	defer stream.Close() //nolint:errcheck // the call is over
	defer c.closed()()
	receiveAll(c, stream.Receive)
	return nil
}

// receiveAll receives until the stream ends, and keeps its error.
func receiveAll[M proto.Message](c *call, receive func() (M, error)) {
	for receiveOne(c, receive) {
	}
}

// receiveOne receives a message; false at the stream's end, whose error it
// keeps.
func receiveOne[M proto.Message](c *call, receive func() (M, error)) bool {
	m, err := receive()
	if errors.Is(err, io.EOF) {
		return false
	}
	if err != nil {
		c.result.Error = wire.FromConnect(err)
		return false
	}
	c.result.Payloads = append(c.result.Payloads, payloadOf(m)...)
	c.received(len(c.result.Payloads))
	return true
}

func (c *call) clientStream(ctx context.Context, service conformancev1connect.ConformanceServiceClient) error {
	stream, err := service.ClientStream(ctx)
	if err != nil {
		c.result.Error = wire.FromConnect(err)
		return nil
	}
	for i, a := range c.req.RequestMessages {
		m, err := message[v1.ClientStreamRequest](a)
		if err != nil {
			return err
		}
		c.delay()
		if err := stream.Send(m); err != nil {
			// What ended the stream is for the answer to say.
			c.result.NumUnsentRequests = int32(len(c.req.RequestMessages) - i) //nolint:gosec // cases are small
			break
		}
	}
	c.sent()
	defer c.closed()()
	res, err := stream.CloseAndReceive()
	if err == nil {
		c.result.Payloads = payloadOf(res)
	}
	c.result.Error = wire.FromConnect(err)
	return nil
}

func (c *call) bidiStream(ctx context.Context, service conformancev1connect.ConformanceServiceClient) error {
	stream, err := service.BidiStream(ctx)
	if err != nil {
		c.result.Error = wire.FromConnect(err)
		return nil
	}
	defer stream.Close() //nolint:errcheck // the call is over
	for i, a := range c.req.RequestMessages {
		m, err := message[v1.BidiStreamRequest](a)
		if err != nil {
			return err
		}
		c.delay()
		if err := stream.Send(m); err != nil {
			c.result.NumUnsentRequests = int32(len(c.req.RequestMessages) - i) //nolint:gosec // cases are small
			break
		}
		if c.req.StreamType == v1.StreamType_STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM && !receiveOne(c, stream.Receive) {
			break
		}
	}
	c.sent()
	if err := stream.CloseSend(); err != nil && c.result.Error == nil && !errors.Is(err, io.EOF) && ctx.Err() == nil {
		return fmt.Errorf("close the way out: %w", err)
	}
	if c.result.Error != nil {
		return nil
	}
	defer c.closed()()
	receiveAll(c, stream.Receive)
	return nil
}
