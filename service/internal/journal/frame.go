package journal

import (
	"fmt"

	"github.com/engram-stream/engram/service/internal/memory"
)

// Position is the place of a byte in the log, counted over all segments: it
// grows with every frame and is never used again. Zero is the start. It can be
// given to clients as a token.
type Position uint64

// Kind says what a frame records.
type Kind uint8

// The kinds of frame. Their numbers are on disk: never change one.
const (
	KindRows         Kind = 1 // observations of one space: payload holds the rows
	KindForget       Kind = 2 // ids that were forgotten
	KindSpaceCreated Kind = 3
	KindSpaceUpdated Kind = 4
	KindSpaceDeleted Kind = 5
	KindSession      Kind = 6 // a session was opened or closed
	KindQuarantine   Kind = 7 // an item that cannot be applied
	KindRetention    Kind = 8 // a retention step
)

// The journal's own kinds, which are never handed out.
const (
	kindReserved Kind = 0xf0 // this and above
	kindClean    Kind = 0xfe
	kindSeal     Kind = 0xff
)

// String gives the kind as logs print it.
func (k Kind) String() string {
	names := [...]string{"", "rows", "forget", "space_created", "space_updated", "space_deleted", "session", "quarantine", "retention"}
	if k > 0 && int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Limits of a frame's fields. Names and ids have those of package memory.
const (
	MaxRuns          = 1 << 16 // runs in a frame
	MaxRejected      = 1 << 16 // rejected numbers in a frame
	MaxReasonLength  = 64      // bytes
	MaxMessageLength = 512     // bytes
)

// Run is a stretch of consecutive sequence numbers of one session that a frame
// decides: each is a row or is rejected.
type Run struct {
	Session     memory.SessionID
	Incarnation memory.Incarnation
	First       memory.Sequence
	Count       uint32
	Rejected    []RejectedNumber
}

// RejectedNumber is a sequence number that got no row, and why. It is kept so
// that a client that resumes hears the same answer.
type RejectedNumber struct {
	Sequence      memory.Sequence
	ObservationID memory.ObservationID
	Reason        string // at most MaxReasonLength bytes
	Message       string // at most MaxMessageLength bytes
}

// Frame is the unit of the journal: one packed batch of one space.
type Frame struct {
	Kind        Kind
	Space       memory.SpaceID
	Incarnation memory.Incarnation
	// FirstGeneration and Generations name the generations the frame makes:
	// as many as Generations, from FirstGeneration on.
	FirstGeneration memory.Generation
	Generations     uint32
	CommitTime      int64 // Unix nanoseconds, set by the caller
	Runs            []Run
	// Payload is opaque to the journal.
	Payload []byte
}

// Records is the number of sequence numbers the frame decides.
func (f *Frame) Records() int {
	n := 0
	for i := range f.Runs {
		n += int(f.Runs[i].Count)
	}
	return n
}

// check refuses what the decoder would not give back.
func (f *Frame) check() error {
	if f.Kind == 0 || f.Kind >= kindReserved {
		return &FrameError{Field: "kind", Size: int64(f.Kind), Limit: int64(kindReserved) - 1}
	}
	over := func(field string, size, limit int) error {
		if size > limit {
			return &FrameError{Field: field, Size: int64(size), Limit: int64(limit)}
		}
		return nil
	}
	if err := over("space", len(f.Space), memory.MaxNameLength); err != nil {
		return err
	}
	if err := over("runs", len(f.Runs), MaxRuns); err != nil {
		return err
	}
	rejected := 0
	for i := range f.Runs {
		r := &f.Runs[i]
		rejected += len(r.Rejected)
		if err := over("session", len(r.Session), memory.MaxNameLength); err != nil {
			return err
		}
		for j := range r.Rejected {
			x := &r.Rejected[j]
			if err := over("observation_id", len(x.ObservationID), memory.MaxIDLength); err != nil {
				return err
			}
			if err := over("reason", len(x.Reason), MaxReasonLength); err != nil {
				return err
			}
			if err := over("message", len(x.Message), MaxMessageLength); err != nil {
				return err
			}
		}
	}
	return over("rejected", rejected, MaxRejected)
}
