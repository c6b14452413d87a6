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
// # Checkpoints and starting
//
// A round ([Engine.Checkpoint]) captures every space that changed, under its
// lease, writes what is new, and commits one catalog; the journal is then
// trimmed to what the catalog before that needs. [Open] puts the spaces of the
// catalog into the table, asleep, answers recalls from them, and reads the rest
// of the journal behind the callers' backs; until that is done nothing is
// written. A slot's tail knows which frames no checkpoint holds: keeping makes
// sure that a frame is either noted there or not yet in the journal when a round
// looks.
//
// # Who owns what
//
// The engine owns every goroutine below rpc: the worker pool's, the journal's
// committer, the session janitor, the index workers, the housekeeper, the
// checkpointer and the scrubber.
// [Engine.Close] ends them in that order and waits.
//
// Locks: registry.mu guards the map of spaces and is held for look-ups only;
// registry.changing serialises creating and deleting spaces, across the
// journal's fsync, and is taken before a space's lease. checkpoints.rounds makes
// one round at a time and comes before all of these. A space's table.indexing,
// which index workers hold, comes before its lease: a round takes the two in this
// order, and who waits for it under a lease, to let a space sleep, holds rounds. A
// slot's tail.keeping comes after the lease. Nothing else of the engine's is
// locked while calling into another package.
//
// It stands on floor F6 and is imported by rpc and server.
package engine
