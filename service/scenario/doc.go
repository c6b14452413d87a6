// Package scenario holds the tests that show the server as its users meet it: a
// real process, built with the failpoints tag, real clients over loopback, and
// faults inside. They check counts, sets and order, and time nothing.
//
// With SOAK set they run for longer: see make soak.
package scenario
