package fault

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOf(t *testing.T) {
	mine := Retry(ResourceExhausted, QueueFull, time.Second, "queue is full: %d of %d", 10, 10)
	for _, c := range []struct {
		name   string
		err    error
		code   Code
		reason Reason
	}{
		{"itself", mine, ResourceExhausted, QueueFull},
		{"wrapped", fmt.Errorf("admit: %w", mine), ResourceExhausted, QueueFull},
		{"deadline", fmt.Errorf("wait: %w", context.DeadlineExceeded), DeadlineExceeded, Deadline},
		{"canceled", context.Canceled, Canceled, CanceledByPeer},
		{"unknown", errors.New("secret detail"), Internal, Bug},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := Of(c.err)
			if f.Code != c.code || f.Reason != c.reason {
				t.Fatalf("Of(%v) = %v %v, want %v %v", c.err, f.Code, f.Reason, c.code, c.reason)
			}
		})
	}
	if Of(nil) != nil {
		t.Fatal("Of(nil) is not nil")
	}
	if got := Of(errors.New("secret detail")).Error(); got == "" || errors.Is(Of(errors.New("x")), mine) || got == "secret detail" {
		t.Fatalf("an unclassified error leaks its text: %q", got)
	}
}

func TestCopiesLeaveTheOriginalAlone(t *testing.T) {
	base := New(InvalidArgument, InvalidField, "confidence is 2; it must be in 0..1")
	cause := errors.New("cause")
	derived := base.Because(cause).In("observations[3].confidence")
	if base.Field != "" || base.Unwrap() != nil {
		t.Fatal("a derived fault changed its origin")
	}
	if derived.Field != "observations[3].confidence" || !errors.Is(derived, cause) {
		t.Fatalf("derived fault lost field or cause: %+v", derived)
	}
}
