//go:build !linux

package engine

// stepBack does nothing where threads have no priority of their own: giving way
// between rows has to do.
func stepBack() error { return nil }
