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
// never changes, except that forgotten rows vanish for all: but for a snapshot
// from before the space's first chunk grew, which a recall under way may hold.
//
// Locks, in the order in which they are taken: table.indexing is held by whoever
// changes the graph or writes its image, and can be taken before the lease;
// s.waking while the table is loaded or
// dropped; s.mu guards marks and settings; table.mu the ids and quarantine
// reasons; s.publishing the swap of the snapshot. The last three are never held
// across I/O or a graph operation. The package starts no goroutine.
//
// # Asleep and awake
//
// A Space is always there, small: settings, marks, counters, generation. Its
// table (rows, ids, filter index, graph) can be asleep. The first that needs it
// loads it from the checkpoint: the columns are mapped, every checksum is
// verified before a byte is used, and nothing is rebuilt. [Space.Sleep] drops it
// again; snapshots of before go on being read.
//
// # Checkpoints
//
// [Space.Reserve] waits for the index worker; [Reservation.Capture] takes the
// state of one moment under the lease; [Capture.Write] writes it without, and
// [Capture.ReadBack] verifies what the files have; [Capture.Install], under the
// lease again, lets full chunks be read from them from then on. All but the two
// under the lease give way to others between two pieces of work. Chunks are written
// once, unless they hold rows that were forgotten: then they are written anew
// without them. The id table, the filter index, the deaths and the last chunk
// are written each time, the graph when it grew by a twentieth.
//
// # Codes
//
// Beside the vectors there are codes of them, made by whoever holds
// table.indexing: 7-bit codes that the graph compares with, and 1-bit codes that
// scans go by. A trial on the space's own rows decides whether they are used, and
// again when the space has grown fourfold. They and the vectors of new rows lie in
// regions outside the heap, which go when nobody can reach them: as with mapped
// files, whoever uses the bytes keeps their owner reachable.
//
// Under the dot product rows are compared with each other otherwise than with a
// cue, see dome.
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
