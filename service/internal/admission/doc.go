// Package admission decides who may put how much into the queue. It gives
// sessions credits, which are places reserved ahead of time; it lets unary
// calls in when there is room; it watches how full the lanes are and tells of
// it.
//
// In the life of an observation it is the admit stage, between validation and
// the queue.
//
// # The life of a place
//
// The queue keeps the ledger (Reserve, Release) and this package alone writes
// it. A place is reserved when a credit is granted, or, for what is sent beyond
// the grant and for calls, when it is admitted. It is released when the number
// is decided, that is, durable; or when the stream ends without having spent
// the credit. So the sum of all grants and of everything admitted never exceeds
// a lane's capacity, and a client inside its grant is never refused for load.
//
// # Windows
//
// A session starts with a small grant and earns a larger one by using it: each
// time it has spent half of its window, the window doubles, up to its limit
// and to its share of what is free, and its byte window follows the room there
// is. Under pressure a window is not extended; it is never taken back. Who was
// idle starts small again. Sessions that got nothing wait in line and are the
// first to be served when places come free.
//
// # Concurrency
//
// One mutex guards everything; it is held for arithmetic only and taken before
// the queue's. Callbacks (new credits, changes of pressure) run without it, one
// at a time and in order, in a goroutine that just used the monitor, which may
// not be the one that caused them; they may use the monitor themselves, and
// must not block. The only timers are those of rate-limited accounts; Close
// stops them.
//
// The package stands on floor F4 and imports queue, memory, fault and clock.
package admission
