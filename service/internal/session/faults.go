package session

import (
	"time"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

func errTakenOver() *fault.Error {
	return fault.New(fault.Aborted, fault.SessionTakenOver, "another stream took the session over")
}

func errClosed(id memory.SessionID) *fault.Error {
	return fault.New(fault.NotFound, fault.SessionClosed, "session %q was closed", id)
}

func errExpired(id memory.SessionID) *fault.Error {
	return fault.New(fault.NotFound, fault.SessionExpired,
		"session %q is not known: it expired, or never was; open a new one", id)
}

func errNotFound(id memory.SessionID) *fault.Error {
	return fault.New(fault.NotFound, fault.SessionNotFound, "session %q is not known", id)
}

func errGap(expected, got memory.Sequence) *fault.Error {
	return fault.Retry(fault.Aborted, fault.SequenceGap, 0,
		"number %d came, number %d is expected next", got, expected).In("first_sequence")
}

func errDraining(after time.Duration) *fault.Error {
	return fault.Retry(fault.Unavailable, fault.Draining, after, "the server is going down; come back later")
}
