// Package queue holds the observations that were admitted and are not yet in
// the journal: three lanes (high, normal, low), each bounded in items and in
// encoded bytes.
//
// Before it in the life of an observation stands admission, which reserves a
// place for everything it lets in; after it comes a worker, which takes a
// batch of one space and journals it.
//
// # Order
//
// Each session is first in, first out, always. Lanes and turns choose only
// which session's head goes next. An item that waits under a higher lane than
// its session lifts the session, with everything ahead of the item, into that
// lane until the item is through; it never overtakes. Within a space the lanes
// share by weight, so the low lane always gets its part; within a lane the
// sessions take turns, one item each.
//
// # Places
//
// [ObservationQueue.Reserve] and [ObservationQueue.Release] keep the ledger of
// places: the sum of what is reserved never exceeds a lane's capacity. The
// ledger belongs to package admission, which reserves a place when it grants a
// credit and releases it when the number is decided. Push, Take and Done move
// items and count depth; they never touch the ledger. So a place is counted
// once, by whoever granted it. What is in the hands of workers past the moment
// of decision (between DURABLE and VISIBLE) is at most one batch per worker,
// and shows as InHand in [Stats].
//
// # Concurrency
//
// One mutex, held for the time of a batch at most; nothing is called while it
// is held. It is the innermost lock: callers may hold their own. The queue
// starts no goroutine and needs no closing.
//
// The package stands on floor F3 and imports memory and telemetry.
package queue
