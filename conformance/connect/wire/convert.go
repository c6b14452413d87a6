//go:build conformance

package wire

import (
	"context"
	"errors"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connectproto"
	"google.golang.org/protobuf/types/known/anypb"

	v1 "github.com/engram-stream/engram/conformance/connect/_gen/connectrpc/conformance/v1"
)

// AddHeaders adds what a case asks for to the headers or trailers of a call.
func AddHeaders(list []*v1.Header, to *connect.Header) {
	for _, h := range list {
		for _, value := range h.Value {
			to.Add(h.Name, value)
		}
	}
}

// Headers lists the headers or trailers of a call.
func Headers(from *connect.Header) (list []*v1.Header) {
	for name, values := range from.All() {
		list = append(list, &v1.Header{Name: name, Value: values})
	}
	return list
}

// ToConnect makes the error that a case asks for; nil for none. More details
// come after those of the case.
func ToConnect(e *v1.Error, more ...*anypb.Any) error {
	if e == nil {
		return nil
	}
	out := connect.NewError(connect.Code(e.Code), e.GetMessage()) //nolint:gosec // codes are small
	for _, a := range append(e.Details, more...) {
		out = out.WithDetail(&connect.ErrorDetail{Type: string(a.MessageName()), Value: a.Value})
	}
	return out
}

// FromConnect tells the runner of an error; nil for none.
func FromConnect(err error) *v1.Error {
	if err == nil {
		return nil
	}
	var e *connect.Error
	switch {
	case errors.As(err, &e):
	case errors.Is(err, context.Canceled):
		e = connect.NewError(connect.CodeCanceled, err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		e = connect.NewError(connect.CodeDeadlineExceeded, err.Error())
	default:
		e = connect.NewError(connect.CodeUnknown, err.Error())
	}
	message := e.Message()
	out := &v1.Error{Code: v1.Code(e.Code()), Message: &message} //nolint:gosec // codes are small
	for _, d := range e.Details() {
		out.Details = append(out.Details, connectproto.ErrorDetailToAny(d))
	}
	return out
}
