// Package interop lets clients of many kinds speak to one real server: the
// binary that `make build` makes, started on an empty directory and a free
// port. Every client observes texts, waits until they are visible, recalls one
// and must find it first; where it can stream both ways it opens a session too,
// follows its acks and closes it with the counts agreeing.
//
// A client that is not on the machine is skipped, and the skip says what was
// missing. Nothing of the service is imported here: only generated code, and
// the wire.
package interop
