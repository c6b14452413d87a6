package rpc

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	"github.com/engram-stream/engram/service/internal/fault"
)

// details decodes what Status attaches.
func details(t *testing.T, e *connect.Error) (info *errdetails.ErrorInfo, retry *errdetails.RetryInfo) {
	t.Helper()
	for _, d := range e.Details() {
		var m proto.Message
		switch d.Type {
		case "google.rpc.ErrorInfo":
			if info != nil {
				t.Error("two ErrorInfos")
			}
			info = &errdetails.ErrorInfo{}
			m = info
		case "google.rpc.RetryInfo":
			retry = &errdetails.RetryInfo{}
			m = retry
		default:
			continue
		}
		if err := proto.Unmarshal(d.Value, m); err != nil {
			t.Fatal(err)
		}
	}
	if info == nil {
		t.Fatal("no ErrorInfo")
	}
	return info, retry
}

func TestStatus(t *testing.T) {
	full := fault.Retry(fault.ResourceExhausted, fault.QueueFull, 1500*time.Millisecond, "the lane is full")
	told := Status(full)
	cases := []struct {
		name   string
		err    error
		code   connect.Code
		reason fault.Reason
		field  string
		retry  time.Duration // −1: none
		text   string
	}{
		{"fault", fault.New(fault.InvalidArgument, fault.InvalidField, "limit is 0").In("limit"), connect.CodeInvalidArgument, fault.InvalidField, "limit", -1, "limit is 0"},
		{"wrapped", fmt.Errorf("open: %w", full), connect.CodeResourceExhausted, fault.QueueFull, "", 1500 * time.Millisecond, "the lane is full"},
		{"retry at once", fault.Retry(fault.Unavailable, fault.Draining, 0, "bye"), connect.CodeUnavailable, fault.Draining, "", 0, "bye"},
		{"deadline", context.DeadlineExceeded, connect.CodeDeadlineExceeded, fault.Deadline, "", -1, "the deadline passed before the answer was ready"},
		{"canceled", fmt.Errorf("wait: %w", context.Canceled), connect.CodeCanceled, fault.CanceledByPeer, "", -1, "the call was canceled"},
		{"nobody's", errors.New("secret path"), connect.CodeInternal, fault.Bug, "", -1, "an internal error occurred; the server's log has the cause"},
		{"of the transport", connect.NewError(connect.CodeResourceExhausted, "message too large"), connect.CodeResourceExhausted, fault.TooLarge, "", -1, "message too large"},
		{"of the rules", connect.NewError(connect.CodeInvalidArgument, "space: bad"), connect.CodeInvalidArgument, fault.InvalidField, "", -1, "space: bad"},
		{"told already", fmt.Errorf("again: %w", told), connect.CodeResourceExhausted, fault.QueueFull, "", 1500 * time.Millisecond, "the lane is full"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := Status(c.err)
			info, retry := details(t, got)
			if got.Code() != c.code || got.Message() != c.text || info.Reason != string(c.reason) || info.Domain != ErrorDomain || info.Metadata["field"] != c.field {
				t.Errorf("%v with %v", got, info)
			}
			switch {
			case (retry != nil) != (c.retry >= 0):
				t.Errorf("retry info %v", retry)
			case retry != nil && retry.RetryDelay.AsDuration() != c.retry:
				t.Errorf("retry after %v, want %v", retry.RetryDelay.AsDuration(), c.retry)
			}
		})
	}
}

func TestEveryCodeHasItsStatus(t *testing.T) {
	for c := fault.Unknown; c <= fault.Internal; c++ {
		got := Status(fault.New(c, fault.Bug, "x")).Code()
		if got.String() != c.String() {
			t.Errorf("%v is told as %v", c, got)
		}
	}
	if len(codes) != int(fault.Internal)+1 {
		t.Errorf("%d codes are translated", len(codes))
	}
}

func TestReasonsOfTheTransport(t *testing.T) {
	for c := connect.CodeCanceled; c <= connect.CodeUnauthenticated; c++ {
		if reasonOf(c) == "" {
			t.Errorf("%v has no reason", c)
		}
	}
}
