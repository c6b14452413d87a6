package engram

import (
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connectproto"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
)

// Error is what the server answered in place of a result.
type Error struct {
	// Code is the status code, as the Connect protocol spells it.
	Code string
	// Reason is a stable word to tell failures apart, such as QUEUE_FULL.
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
	var ce *connect.Error
	if !errors.As(err, &ce) {
		return &Error{Code: connect.CodeUnavailable.String(), Reason: "TRANSPORT", Message: err.Error(), Retryable: true, cause: err}
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
		out.Reason = "TRANSPORT"
		out.Retryable = ce.Code() == connect.CodeUnavailable
	}
	return out
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

// Errors of the client itself.
var (
	// ErrClosed is returned by calls on a closed session or client.
	ErrClosed = errors.New("engram: closed")
	// ErrFull is returned by Observe of a session that was opened with
	// NonBlocking when its buffer is full.
	ErrFull = errors.New("engram: the session's buffer is full")
)

// codeName spells a status code given by number.
func codeName(n uint32) string { return connect.Code(n).String() }
