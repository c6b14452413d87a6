package server

import (
	"context"
	"log/slog"
	"runtime/debug"

	"connectrpc.com/connect/v2"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/rpc"
)

func protoName(s string) protoreflect.Name { return protoreflect.Name(s) }

// recovery turns a panic of a handler into INTERNAL: one bad call must not take
// the server along.
func recovery(log *slog.Logger) connect.ServerInterceptor {
	return func(next connect.ServerFunc) connect.ServerFunc {
		return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) (err error) {
			defer func() {
				if r := recover(); r != nil {
					log.ErrorContext(ctx, "handler panicked", "procedure", spec.Procedure, "panic", r, "stack", string(debug.Stack()))
					err = rpc.Status(fault.New(fault.Internal, fault.Bug, "an internal error occurred; the server's log has the cause"))
				}
			}()
			return next(ctx, spec, stream)
		}
	}
}
