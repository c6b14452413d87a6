package memory

// Entry is one decided-to-be observation as it travels from admission to its
// space: the number it consumes, and either the observation or the reason why
// the number has none.
type Entry struct {
	// Session is empty for a call that keeps no marks.
	Session     SessionID
	Incarnation Incarnation
	Sequence    Sequence
	// Observation is nil for a number that was rejected before the queue.
	Observation *Observation
	// Rejection is set for a number that is consumed without a row.
	Rejection *Rejection
}

// Rejection says that one number was consumed without a row, for good.
type Rejection struct {
	Sequence      Sequence
	ObservationID ObservationID
	// Reason is a stable word from package fault, Message a text for people
	// (at most 512 bytes).
	Reason  string
	Message string
}

// Outcome is what became of an entry once its batch is durable.
type Outcome struct {
	ID ObservationID
	// Generation is where the row is visible; for a duplicate, where it
	// already was. Zero for a rejected number.
	Generation Generation
	// Duplicate is set when the id was there with the same content.
	Duplicate bool
	// Rejection is set when no row was made.
	Rejection *Rejection
	// Quarantined is set when the row is kept, but no recall returns it.
	Quarantined bool
}

// AckLevel is how far an observation has come. Levels are ordered.
type AckLevel uint8

// The levels, in the order in which an observation reaches them.
const (
	AckNone       AckLevel = iota
	AckAccepted            // in the queue, in memory
	AckDurable             // on stable storage
	AckVisible             // recall finds it
	AckIndexed             // in the structure its space aims at
	AckLevelCount = 5
)

// String gives the level as the wire spells it, without its prefix.
func (l AckLevel) String() string {
	return [...]string{"NONE", "ACCEPTED", "DURABLE", "VISIBLE", "INDEXED"}[min(l, AckIndexed)]
}

// Credits say how far a client may send. A grant is never taken back.
type Credits struct {
	// Through is the last sequence number that may be sent.
	Through Sequence
	// Bytes is how many encoded bytes may be outstanding above the durable
	// mark. One observation may always be outstanding.
	Bytes int64
}
