package rpc

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connectproto"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/engram-stream/engram/service/internal/fault"
)

// ErrorDomain is the domain of every ErrorInfo.
const ErrorDomain = "engram"

var codes = map[fault.Code]connect.Code{
	fault.Unknown: connect.CodeUnknown, fault.InvalidArgument: connect.CodeInvalidArgument, fault.NotFound: connect.CodeNotFound,
	fault.AlreadyExists: connect.CodeAlreadyExists, fault.FailedPrecondition: connect.CodeFailedPrecondition,
	fault.Aborted: connect.CodeAborted, fault.OutOfRange: connect.CodeOutOfRange, fault.ResourceExhausted: connect.CodeResourceExhausted,
	fault.Unavailable: connect.CodeUnavailable, fault.DeadlineExceeded: connect.CodeDeadlineExceeded, fault.Canceled: connect.CodeCanceled,
	fault.PermissionDenied: connect.CodePermissionDenied, fault.Unauthenticated: connect.CodeUnauthenticated,
	fault.Unimplemented: connect.CodeUnimplemented, fault.DataLoss: connect.CodeDataLoss, fault.Internal: connect.CodeInternal,
}

// Errors is the interceptor that gives every error its final form: a status
// code, an ErrorInfo with a stable reason and, when a retry may help, a
// RetryInfo. Errors nobody classified are logged and told as INTERNAL.
func (h *Handlers) Errors(next connect.ServerFunc) connect.ServerFunc {
	return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
		err := next(ctx, spec, stream)
		if err == nil {
			return nil
		}
		out := Status(err)
		if out.Code() == connect.CodeInternal {
			h.log.ErrorContext(ctx, "call failed", "procedure", spec.Procedure, "error", err)
		}
		return out
	}
}

// Status turns an error of the engine into what goes over the wire.
func Status(err error) *connect.Error {
	var remote *connect.Error
	if errors.As(err, &remote) {
		if len(remote.Details()) > 0 && hasInfo(remote) {
			return remote
		}
		return withDetail(remote, &errdetails.ErrorInfo{Reason: reasonOf(remote.Code()), Domain: ErrorDomain})
	}
	f := fault.Of(err)
	out := connect.NewError(codes[f.Code], f.Message).WithCause(err)
	info := &errdetails.ErrorInfo{Reason: string(f.Reason), Domain: ErrorDomain}
	if f.Field != "" {
		info.Metadata = map[string]string{"field": f.Field}
	}
	out = withDetail(out, info)
	if f.Retryable {
		out = withDetail(out, &errdetails.RetryInfo{RetryDelay: durationpb.New(f.RetryAfter)})
	}
	return out
}

// panicked logs a panic of a goroutine that a stream started and makes it an
// error, so that it ends one stream or recall and not the server.
func (h *Handlers) panicked(ctx context.Context, p any) error {
	h.log.ErrorContext(ctx, "a stream's goroutine panicked", "panic", p, "stack", string(debug.Stack()))
	return fault.Of(fmt.Errorf("serve a stream: panic: %v", p))
}

func hasInfo(e *connect.Error) bool {
	for _, d := range e.Details() {
		if d.Type == "google.rpc.ErrorInfo" {
			return true
		}
	}
	return false
}

// reasonOf names errors that the transport itself makes.
func reasonOf(c connect.Code) string {
	switch c {
	case connect.CodeInvalidArgument:
		return string(fault.InvalidField)
	case connect.CodeResourceExhausted:
		return string(fault.TooLarge)
	case connect.CodeCanceled:
		return string(fault.CanceledByPeer)
	case connect.CodeDeadlineExceeded:
		return string(fault.Deadline)
	case connect.CodeUnimplemented:
		return string(fault.Unsupported)
	}
	return string(fault.Bug)
}

func withDetail(e *connect.Error, m proto.Message) *connect.Error {
	d, err := connectproto.NewErrorDetail(m)
	if err != nil {
		return e // the detail is lost, the code and the text are not
	}
	return e.WithDetail(d)
}
