package fault

import "fmt"

// Code is the kind of failure, one to one with the status codes of gRPC and
// Connect that Engram uses.
type Code uint8

// The codes. Unknown is the zero value: an error nobody classified.
const (
	Unknown Code = iota
	InvalidArgument
	NotFound
	AlreadyExists
	FailedPrecondition
	Aborted
	OutOfRange
	ResourceExhausted
	Unavailable
	DeadlineExceeded
	Canceled
	PermissionDenied
	Unauthenticated
	Unimplemented
	DataLoss
	Internal
)

var codeNames = [...]string{
	"unknown", "invalid_argument", "not_found", "already_exists", "failed_precondition", "aborted",
	"out_of_range", "resource_exhausted", "unavailable", "deadline_exceeded", "canceled",
	"permission_denied", "unauthenticated", "unimplemented", "data_loss", "internal",
}

// String gives the code as the Connect protocol spells it.
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("code(%d)", uint8(c))
}
