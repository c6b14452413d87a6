// Package engine joins the floors below into the two paths of the server: the
// way in (validate, admit, embed, queue, journal, apply, publish, index) and
// the way out (recall). It is the only package that knows them all.
//
// # The way in
//
// A stream or call hands over observations ([Stream.Observe], [Engine.Observe]).
// They are validated, admitted and, where there is only text, embedded, all in
// the caller's goroutine, so that a session's order needs no machinery. Then
// they are queued, and a worker that holds the space takes them on: the engine
// is the pool's Processor. Outcomes travel upwards by callback: process →
// delivery → session.Advance → outbox → the stream's writer.
//
// # Who owns what
//
// The engine owns every goroutine below rpc: the worker pool's, the journal's
// committer, the session janitor, the index workers and the housekeeper.
// [Engine.Close] ends them in that order and waits.
//
// Locks: registry.mu guards the map of spaces and is held for look-ups only;
// registry.changing serialises creating and deleting spaces, across the
// journal's fsync, and is taken before a space's lease. Nothing else of the
// engine's is locked while calling into another package.
//
// It stands on floor F6 and is imported by rpc and server.
package engine
