//go:build conformance

// Package wire has what both programs under test need: the length-prefixed
// messages the runner speaks, and headers and errors in the suite's messages.
//
// It may import the generated messages of the suite, and nothing of Engram.
package wire
