// Package worker is the pool that carries batches from the queue to
// visibility: it picks a space, takes a batch, and hands it to the engine's
// Processor, which journals, applies and publishes it.
//
// # Scheduling
//
// Every space has a home worker, by hash, so that its rows stay in one
// processor's cache. A space with something waiting stands in its home's ready
// list, once. A worker takes the head of its own list; a worker with an empty
// list takes the head of the longest: that is work stealing. The unit is always
// a whole space between two batches, and a space goes back to the tail after
// one batch, so one space cannot starve the others.
//
// # The lease
//
// Whoever handles a space holds its lease: the worker during a batch, or the
// caller of [Pool.Exclusive]. Never two at once; that is what makes the space's
// single writer single and a session's order hold. Exclusive callers go before
// further batches.
//
// # Failure
//
// A panic in a batch ends the worker's goroutine; a fresh one takes its place
// and carries the same batch on, item by item, still under the lease. An item
// that panics by itself again and again is quarantined. An error from the
// Processor is final: the journal is gone, and everything is abandoned, now and
// later.
//
// # Concurrency
//
// Pool.mu guards the lists and the leases and is never held while calling out;
// the queue's mutex is taken under it. Every worker waits on a condition of its
// own, and never polls: a space that becomes ready rouses its home, or, when
// that is busy, any worker that is idle, so the home comes first and nothing
// ready waits while somebody is idle. [Pool.Stop] ends and waits for all
// goroutines.
//
// The package stands on floor F5 and imports queue, memory, telemetry and
// failpoint.
package worker
