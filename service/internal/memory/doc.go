// Package memory holds the engine's own nouns: the observation and everything
// that names or numbers one (space, session, sequence, generation, lane).
//
// It stands on the ground floor (F0): every other package may import it and it
// imports none of them. It knows neither protobuf messages nor files; the rpc
// package converts from the wire, and [EncodeRecord] fixes the form in which
// an observation is kept.
package memory
