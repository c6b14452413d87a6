package engram

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"connectrpc.com/connect/v2"
)

// What a transport says of its own troubles, and what it is in truth.
func TestWhatTheServerDidNotSay(t *testing.T) {
	for _, x := range []struct {
		name         string
		err          error
		code, reason string
	}{
		{"the caller cancelled", connect.NewError(connect.CodeCanceled, "x").WithCause(context.Canceled), "canceled", "CANCELED"},
		{"the connection was reset", connect.NewError(connect.CodeCanceled, "x").WithCause(errors.New("ECONNRESET")), "unavailable", "TRANSPORT"},
		{"the caller's deadline", connect.NewError(connect.CodeDeadlineExceeded, "x").WithCause(context.DeadlineExceeded), "deadline_exceeded", "DEADLINE"},
		{"the peer's word of a deadline", connect.NewError(connect.CodeDeadlineExceeded, "x").WithRemote(), "deadline_exceeded", "DEADLINE"},
		{"connecting took too long", connect.NewError(connect.CodeDeadlineExceeded, "x").WithCause(os.ErrDeadlineExceeded), "unavailable", "TRANSPORT"},
		{"cut off", connect.NewError(connect.CodeUnknown, "unexpected EOF").WithCause(io.ErrUnexpectedEOF), "unavailable", "TRANSPORT"},
		{"cut off in an envelope", connect.NewError(connect.CodeInternal, "promised 9 bytes").WithCause(io.ErrUnexpectedEOF), "unavailable", "TRANSPORT"},
		{"the peer does not know", connect.NewError(connect.CodeUnknown, "x").WithRemote(), "unknown", "TRANSPORT"},
		{"an answer that cannot be read", connect.NewError(connect.CodeInternal, "unmarshal"), "internal", "TRANSPORT"},
		{"something in between has no key", connect.NewError(connect.CodeUnauthenticated, "x"), "unauthenticated", "TRANSPORT"},
		{"no error of a call", io.ErrClosedPipe, "unavailable", "TRANSPORT"},
		{"closed by this side", connect.NewError(connect.CodeUnknown, "x").WithCause(ErrClosed), "failed_precondition", "CLOSED"},
	} {
		t.Run(x.name, func(t *testing.T) {
			var e *Error
			if err := fromWire(fmt.Errorf("wrapped: %w", x.err)); !errors.As(err, &e) || e.Code != x.code || e.Reason != x.reason || e.Retryable != (x.code == "unavailable") {
				t.Errorf("%#v", err)
			}
		})
	}
}
