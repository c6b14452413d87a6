package main

import (
	"cmp"
	"context"
	"errors"
	"slices"

	engram "github.com/engram-stream/engram/sdk/go"
)

// told puts an error into the words of the format.
func told(err error) object {
	var rejected *engram.RejectedError
	var e *engram.Error
	switch {
	case errors.As(err, &rejected):
		return object{"kind": "rejected", "rejections": rejections(rejected.Rejections)}
	case errors.Is(err, context.Canceled): // the SDK's error wraps it
		return object{"kind": "cancelled"}
	case errors.As(err, &e):
		return failure(e.Code, e.Reason, e.Field, e.Retryable)
	case errors.Is(err, engram.ErrClosed):
		return failure("failed_precondition", "CLOSED", "", false)
	case errors.Is(err, engram.ErrFull):
		return failure("resource_exhausted", "BUFFER_FULL", "", true)
	case errors.Is(err, context.DeadlineExceeded):
		return failure("deadline_exceeded", "DEADLINE", "", false)
	default:
		return failure("unknown", "NOT_OF_THE_SDK", err.Error(), false)
	}
}

func failure(code, reason, field string, retryable bool) object {
	return object{"kind": "error", "code": code, "reason": reason, "field": field, "retryable": retryable}
}

func rejections(list []engram.Rejection) []object {
	list = slices.SortedFunc(slices.Values(list), func(a, b engram.Rejection) int { return cmp.Compare(a.Sequence, b.Sequence) })
	out := make([]object, len(list))
	for i, r := range list {
		out[i] = object{"sequence": r.Sequence, "id": r.ID, "reason": r.Reason}
	}
	return out
}
