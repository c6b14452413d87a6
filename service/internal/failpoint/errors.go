package failpoint

import "errors"

// ErrDisabled is returned by [Set] in a build without the tag "failpoints".
var ErrDisabled = errors.New("failpoints are not compiled in: build with -tags failpoints")

// InjectedError is the error a failpoint returns, so that a test can tell it
// from a real one.
type InjectedError struct {
	Name string // of the failpoint
	Text string // from the spec; may be empty
}

func (e *InjectedError) Error() string {
	if e.Text == "" {
		return "failpoint " + e.Name
	}
	return "failpoint " + e.Name + ": " + e.Text
}
