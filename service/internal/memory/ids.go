package memory

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on names, as the contract states them.
const (
	MinNameLength = 3   // bytes, of a space or session id
	MaxNameLength = 64  // bytes, of a space or session id
	MaxIDLength   = 128 // bytes, of an observation id
)

// SpaceID names a memory space: 3–64 of [a-z0-9_-].
type SpaceID string

// SessionID names a session: 3–64 of [a-z0-9_-]. It is unique in the server,
// not only in its space.
type SessionID string

// ObservationID names an observation within its space: 1–128 bytes of UTF-8
// without control characters.
type ObservationID string

// Incarnation tells two lives of one name apart: a space that was deleted and
// created again, a session id that expired and was used anew.
type Incarnation uint64

// Sequence numbers the observations of a session, from 1, without gaps. Zero
// means "none yet".
type Sequence uint64

// Generation numbers the changes of a space: one per row, per Forget and per
// retention step. Zero is the empty space.
type Generation uint64

// ValidName reports whether s is a well-formed space or session id.
func ValidName(s string) bool {
	if len(s) < MinNameLength || len(s) > MaxNameLength {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// Valid reports whether id is a well-formed observation id.
func (id ObservationID) Valid() bool {
	if len(id) == 0 || len(id) > MaxIDLength || !utf8.ValidString(string(id)) {
		return false
	}
	return strings.IndexFunc(string(id), unicode.IsControl) < 0
}

var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// NewIncarnation draws a fresh incarnation; never zero.
func NewIncarnation() Incarnation {
	var b [8]byte
	for {
		rand.Read(b[:]) //nolint:errcheck // documented never to fail
		if v := binary.LittleEndian.Uint64(b[:]); v != 0 {
			return Incarnation(v)
		}
	}
}

// NewSessionID draws a session id of 26 characters (128 random bits).
func NewSessionID() SessionID {
	var b [16]byte
	rand.Read(b[:]) //nolint:errcheck // documented never to fail
	return SessionID(idEncoding.EncodeToString(b[:]))
}

// DerivedID is the id of an observation that was sent without one. It is a
// function of the session's incarnation and the sequence number alone, so
// every retry of the observation carries the same id.
func DerivedID(session Incarnation, seq Sequence) ObservationID {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(session))
	return ObservationID(idEncoding.EncodeToString(b[:]) + "-" + strconv.FormatUint(uint64(seq), 10))
}
