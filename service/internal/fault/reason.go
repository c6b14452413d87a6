package fault

// Reason names one failure for programs. Reasons are part of the contract:
// they are never renamed, only added.
type Reason string

// What was sent is wrong; sending it again will not help.
const (
	InvalidName       Reason = "INVALID_NAME"       // space or session id malformed
	InvalidID         Reason = "INVALID_ID"         // observation id malformed
	InvalidSequence   Reason = "INVALID_SEQUENCE"   // sequence number 0, or a batch that wraps
	InvalidDimension  Reason = "INVALID_DIMENSION"  // embedding length differs from the space's
	InvalidEmbedding  Reason = "INVALID_EMBEDDING"  // NaN, Inf, zero under cosine, bytes not a multiple of the element size
	InvalidField      Reason = "INVALID_FIELD"      // a field out of its range
	InvalidFilter     Reason = "INVALID_FILTER"     // a filter that cannot be compiled
	InvalidCue        Reason = "INVALID_CUE"        // no cue, or one the space cannot use
	InvalidPageToken  Reason = "INVALID_PAGE_TOKEN" // a token this server did not make
	TooLarge          Reason = "TOO_LARGE"          // over a size limit
	EmptyObservation  Reason = "EMPTY_OBSERVATION"  // neither content nor embedding
	NoEmbedder        Reason = "NO_EMBEDDER"        // text without vector in a space that cannot embed
	IDConflict        Reason = "ID_CONFLICT"        // the id is taken by other content
	Quarantined       Reason = "QUARANTINED"        // applying it failed again and again
	AlreadyExistsName Reason = "SPACE_EXISTS"       // CreateSpace of an existing space with other settings
	Immutable         Reason = "IMMUTABLE"          // a setting that is fixed at creation
	Unsupported       Reason = "UNSUPPORTED"        // known to the contract, not offered by this server
)

// What was asked for is not there, or not in the right state.
const (
	SpaceNotFound       Reason = "SPACE_NOT_FOUND"
	ObservationNotFound Reason = "OBSERVATION_NOT_FOUND"
	SessionNotFound     Reason = "SESSION_NOT_FOUND"
	SessionExpired      Reason = "SESSION_EXPIRED"
	SessionClosed       Reason = "SESSION_CLOSED"
	SessionBusy         Reason = "SESSION_BUSY"       // Observe while a stream or another Observe is live
	SessionTakenOver    Reason = "SESSION_TAKEN_OVER" // another stream resumed it
	SessionWrongSpace   Reason = "SESSION_WRONG_SPACE"
	ProtocolOrder       Reason = "PROTOCOL_ORDER" // frames before init, after close, init twice
	SequenceGap         Reason = "SEQUENCE_GAP"
	WindowExceeded      Reason = "WINDOW_EXCEEDED" // more than a full window sent past a refusal
	GenerationAhead     Reason = "GENERATION_AHEAD"
	GenerationExpired   Reason = "GENERATION_EXPIRED"
	SpaceDeleted        Reason = "SPACE_DELETED"
	SpaceDamaged        Reason = "SPACE_DAMAGED"
)

// There is no room, or the server cannot do it now. A retry may help.
const (
	QueueFull       Reason = "QUEUE_FULL"
	QuotaExceeded   Reason = "QUOTA_EXCEEDED"
	MemoryPressure  Reason = "MEMORY_PRESSURE"
	DiskPressure    Reason = "DISK_PRESSURE"
	TooManySpaces   Reason = "TOO_MANY_SPACES"
	TooManySessions Reason = "TOO_MANY_SESSIONS"
	TooManyWaiters  Reason = "TOO_MANY_WAITERS"
	EmbedderDown    Reason = "EMBEDDER_DOWN"
	JournalFailed   Reason = "JOURNAL_FAILED"
	Draining        Reason = "DRAINING"
	Replaying       Reason = "REPLAYING"
	Deadline        Reason = "DEADLINE"
	CanceledByPeer  Reason = "CANCELED"
	Corrupt         Reason = "CORRUPT"
	Bug             Reason = "INTERNAL"
)
