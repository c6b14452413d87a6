// Package rpc translates between the wire and the engine: protobuf messages in
// and out, faults into status codes with details, frames of a stream into
// calls and events into frames. It decides nothing.
//
// # Streams
//
// Each bidirectional stream has two goroutines. The handler's own is the
// writer: it alone calls Send, with what the session's outbox gives it. The
// other is the reader: it alone calls Receive, and does the way in as far as
// the queue. A blocked Receive ends only when the handler has returned, so the
// reader may outlive it by a moment; [Handlers.Wait] waits for all of them.
//
// It stands on floor F7, is the only package of the service that imports the
// generated code, and is wired up by server.
package rpc
