package engram

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connectproto"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
)

// Error is what the server answered in place of a result, or why it could not
// be asked. An end of the caller's context is wrapped: errors.Is finds it.
type Error struct {
	// Code is the status code, as the Connect protocol spells it.
	Code string
	// Reason is a stable word to tell failures apart, such as QUEUE_FULL. Of the
	// client's own making are TRANSPORT (the server did not say), CLOSED,
	// BUFFER_FULL, PAYLOADS_GONE, DEADLINE and CANCELED.
	Reason string
	// Message is for people.
	Message string
	// Field is the offending field, if there is one.
	Field string
	// RetryAfter is when a retry may help; meaningful with Retryable.
	RetryAfter time.Duration
	Retryable  bool

	cause error
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s (%s)", e.Code, e.Message, e.Reason) }

// Unwrap gives the transport's error.
func (e *Error) Unwrap() error { return e.cause }

// fromWire makes an Error of what a call returned; nil stays nil.
func fromWire(err error) error {
	if err == nil {
		return nil
	}
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var ce *connect.Error
	if !errors.As(err, &ce) {
		return transportError(err.Error(), err)
	}
	out := &Error{Code: ce.Code().String(), Message: ce.Message(), cause: err}
	for _, d := range ce.Details() {
		m, err := connectproto.UnmarshalErrorDetail(d)
		if err != nil {
			continue // a detail of a newer server
		}
		switch m := m.(type) {
		case *errdetails.ErrorInfo:
			out.Reason, out.Field = m.Reason, m.Metadata["field"]
		case *errdetails.RetryInfo:
			out.Retryable, out.RetryAfter = true, m.RetryDelay.AsDuration()
		}
	}
	if out.Reason == "" {
		out.unsaid(err, ce.IsRemote())
	}
	return out
}

// unsaid names what the server did not say. The transport tells of a connection
// that was reset in the words of a call that was cancelled, of an answer that was
// cut off as something unknown or internal, and of a connection that could not be
// made in time in those of a deadline. The first is the caller's only when its
// context is the cause; the others are the peer's only when it said so (remote).
func (e *Error) unsaid(err error, remote bool) {
	e.Reason = "TRANSPORT"
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		e.Code, e.Reason = connect.CodeDeadlineExceeded.String(), "DEADLINE"
	case errors.Is(err, context.Canceled):
		e.Code, e.Reason = connect.CodeCanceled.String(), "CANCELED"
	case e.Code == connect.CodeDeadlineExceeded.String() && !errors.Is(err, os.ErrDeadlineExceeded):
		e.Reason = "DEADLINE"
	case e.Code == connect.CodeCanceled.String(), e.Code == connect.CodeDeadlineExceeded.String(),
		!remote && (e.Code == connect.CodeUnknown.String() || errors.Is(err, io.ErrUnexpectedEOF)):
		e.Code = connect.CodeUnavailable.String()
	}
	e.Retryable = e.Code == connect.CodeUnavailable.String()
}

// transportError is the error of a connection, as opposed to one that the
// server reports.
func transportError(message string, cause error) *Error {
	return &Error{Code: connect.CodeUnavailable.String(), Reason: "TRANSPORT", Message: message, Retryable: true, cause: cause}
}

// invalid is the error of a value that breaks a rule before it is sent.
func invalid(field, format string, args ...any) *Error {
	return &Error{Code: connect.CodeInvalidArgument.String(), Reason: "INVALID_FIELD", Field: field, Message: fmt.Sprintf(format, args...)}
}

// brokenOff makes an Error of why a context ended, which it wraps.
func brokenOff(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{Code: connect.CodeDeadlineExceeded.String(), Reason: "DEADLINE", Message: "the time given was over", cause: err}
	}
	return &Error{Code: connect.CodeCanceled.String(), Reason: "CANCELED", Message: "the wait was broken off", cause: err}
}

// ReasonOf returns the reason of an Error in err's chain, or "".
func ReasonOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// IsNotFound reports whether what was asked for is not there.
func IsNotFound(err error) bool { return hasCode(err, connect.CodeNotFound) }

// IsInvalid reports whether what was sent breaks a rule: Field says where.
func IsInvalid(err error) bool { return hasCode(err, connect.CodeInvalidArgument) }

// IsConflict reports whether something else is there already by that id or name.
func IsConflict(err error) bool { return hasCode(err, connect.CodeAlreadyExists) }

// IsUnavailable reports whether the server could not be reached, or takes
// nothing now.
func IsUnavailable(err error) bool { return hasCode(err, connect.CodeUnavailable) }

// IsRefused reports whether the server had no room.
func IsRefused(err error) bool { return hasCode(err, connect.CodeResourceExhausted) }

func hasCode(err error, c connect.Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == c.String()
}

// Errors of the client itself, each an *Error.
var (
	// ErrClosed is returned by calls on a closed session or client.
	ErrClosed error = &Error{Code: connect.CodeFailedPrecondition.String(), Reason: "CLOSED", Message: "it is closed"}
	// ErrFull is returned by Observe of a session that was opened with
	// NonBlocking when its buffer is full.
	ErrFull error = &Error{Code: connect.CodeResourceExhausted.String(), Reason: "BUFFER_FULL", Message: "the session's buffer is full", Retryable: true}
)

// codeName spells a status code given by number.
func codeName(n uint32) string { return connect.Code(n).String() }
