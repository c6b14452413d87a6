// Package server wires the engine to the network: listener, protocols, health,
// reflection, metrics, traces, and stopping in good order. It is the only
// package that sets up the OpenTelemetry SDK and the Prometheus registry.
//
// It stands on floor F8, the top, and is used by the engram command and by
// package engramtest.
//
// # Starting
//
// The listener opens first, so that a taken port is noticed at once and
// /livez answers; then the checkpoints are opened and the services served:
// recalls are answered from the checkpoints while the journal is read back, and
// /readyz and everything that writes say how far that has come.
//
// # Stopping
//
// Run ends when its context does: /readyz fails, the engine drains (every
// stream is told to go away and to come back, what was accepted becomes
// visible), the HTTP server waits for its calls, and the engine closes.
package server
