// Package session keeps what the server knows of each stream of observations:
// which sequence number comes next, how far the numbers before it have come,
// which of them were rejected, and what the client has yet to be told.
//
// It stands on the fourth floor (F4) and imports only memory, fault and clock.
// In the life of an observation it comes after receive and decides which
// observations of a batch are new: package rpc reads a frame and calls
// [Attachment.Offer]; package engine validates, admits and calls
// [Attachment.Accept], and reports later progress with [Session.Advance] and
// [Session.Reject]; rpc's writer sends what [Attachment.Next] returns. It is
// pure bookkeeping: no file, no message of the wire, and no goroutine but the
// janitor of a [Manager].
//
// # Locks
//
// There are four, taken in this order and never the other way round:
//
//  1. Session.feed, held while new numbers are handed to the pipeline, so that
//     they enter it in order; the only lock under which a caller's function
//     runs (see [Attachment.Accept]).
//  2. Manager.mu, over the table of sessions.
//  3. Session.mu, over everything in a session, its streams and its watchers.
//  4. Manager.closedMu, over the list of closed sessions.
//
// Everything exported may be called from any goroutine, except that one
// [Attachment], [Call] or [Watcher] has one reader (Offer, Accept, Refuse) and
// one writer (Next).
package session
