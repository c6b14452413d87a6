// Package fault holds the typed errors that travel from the engine to the
// client. A fault says what kind of failure it is (the code), which one it is
// (a stable reason that programs match), whether and when to try again, and a
// text that is safe to show to whoever asked.
//
// It stands on the ground floor (F0). The rpc package turns a fault into a
// Connect error with ErrorInfo and RetryInfo, or into an in-band rejection.
package fault
