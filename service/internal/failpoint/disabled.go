//go:build !failpoints

package failpoint

// Enabled tells whether this build can fail on purpose.
const Enabled = false

// Hit does nothing in this build.
func Hit(string) error { return nil }

// Set refuses: nothing can be switched on in this build.
func Set(string, string) error { return ErrDisabled }

// Reset does nothing in this build.
func Reset() {}
