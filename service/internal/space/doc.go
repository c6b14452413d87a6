// Package space is one memory space: its rows, the tiers that hold them, its
// generations, its ids, the session marks it has applied, and recall over all
// of it.
//
// In the life of an observation it is three stages. The worker that holds the
// space calls [Space.Prepare], which settles ids and assigns generations and
// makes the journal frame; once the frame is durable it calls [Space.Apply]
// and [Space.Publish]. Later an index worker calls [Space.Index], which moves
// rows from the scanned tier into the graph.
//
// # One writer, many readers
//
// Prepare, Apply, Publish, Quarantine, PrepareForget, ApplyForget, Replay and
// Update belong to whoever holds the space (the worker pool's lease): never
// two at once. Index belongs to one index worker at a time. Everything else
// may be called at any time by anyone. Readers take no lock on their way: they
// load the [Snapshot], which pins the rows, and what they may see of them
// never changes, except that forgotten rows vanish for all.
//
// Locks: s.mu guards the id map, marks, quarantine reasons and settings;
// s.publishing guards the swap of the snapshot, which writer and index worker
// both do. s.publishing is taken after s.mu, if both are. Neither is held
// across I/O or a graph operation. The package starts no goroutine.
//
// # Generations
//
// Rows and generations are a function of journal order alone, so replaying the
// journal gives every generation the meaning it had when it was handed out. A
// row carries its generation and commit time; a snapshot of an older
// generation is found by searching for it among the rows.
//
// It stands on floor F3 and imports the floors below.
package space
