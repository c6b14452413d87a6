// Package interop lets clients of many kinds speak to one real server: the
// binary in INTEROP_SERVER, or one built from these sources, started on an empty
// directory and a free port. Every client observes texts, waits until they are
// visible, recalls one and must find it first; where it can stream both ways it
// opens a session too, follows its acks and closes it with the counts agreeing.
//
// What the clients need is installed by the Makefile's targets, in the versions
// pinned there and in the lock files. A client whose language is not on the
// machine is skipped, and the skip says what was missing. Nothing of the service
// is imported here: only generated code, and the wire.
package interop
