package fault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Error is a classified failure. Its text is shown to clients: it names the
// field, the value's size and the limit, and never other tenants' data.
type Error struct {
	Code   Code
	Reason Reason
	// Message is safe to show.
	Message string
	// RetryAfter is when a retry may succeed. Zero with Retryable set means
	// "at your own pace"; not Retryable means sending the same again is futile.
	RetryAfter time.Duration
	Retryable  bool
	// Field is the path of the offending field, if there is one.
	Field string

	cause error
}

// New makes a fault that a retry will not mend.
func New(code Code, reason Reason, format string, args ...any) *Error {
	return &Error{Code: code, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Retry makes a fault that a retry may mend, after the given time.
func Retry(code Code, reason Reason, after time.Duration, format string, args ...any) *Error {
	e := New(code, reason, format, args...)
	e.Retryable, e.RetryAfter = true, after
	return e
}

// Error gives the message alone; code and reason travel beside it.
func (e *Error) Error() string { return e.Message }

// Unwrap gives the cause, which is for logs and never for clients.
func (e *Error) Unwrap() error { return e.cause }

// Because returns a copy of e that wraps cause.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// In returns a copy of e that names the offending field.
func (e *Error) In(field string) *Error {
	c := *e
	c.Field = field
	return &c
}

// Of finds the fault in err. A context error becomes DEADLINE or CANCELED;
// anything else becomes INTERNAL with a text that gives nothing away, the
// original kept as its cause. Of(nil) is nil.
func Of(err error) *Error {
	if err == nil {
		return nil
	}
	var f *Error
	if errors.As(err, &f) {
		return f
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return New(DeadlineExceeded, Deadline, "the deadline passed before the answer was ready").Because(err)
	case errors.Is(err, context.Canceled):
		return New(Canceled, CanceledByPeer, "the call was canceled").Because(err)
	}
	return New(Internal, Bug, "an internal error occurred; the server's log has the cause").Because(err)
}
