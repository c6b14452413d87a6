package memory

import "time"

// DefaultConfidence is the confidence of an observation that is sent without
// one.
const DefaultConfidence = 0.7

// Encoding is the form in which a client sent an embedding, and the form in
// which it gets it back.
type Encoding uint8

// The encodings of an embedding on the wire. Inside, vectors are float32.
const (
	EncodingNone     Encoding = iota // no embedding was sent: the server embedded the text
	EncodingValues                   // repeated float
	EncodingF32Bytes                 // packed little-endian float32
	EncodingF16Bytes                 // packed little-endian IEEE 754 binary16
)

// Context says where, with whom, why and how something was observed.
type Context struct {
	Location     string
	Participants []string
	Reason       string
	Method       string
}

// Observation is what a client sent, validated, with defaults filled in, and
// the vector it is found by. After validation it is immutable and may be
// shared between goroutines.
type Observation struct {
	ID      ObservationID
	Content string
	// Vector is the embedding that is indexed: what the client sent, or what
	// the embedder made of Content. Its length is the space's dimension.
	Vector   []float32
	Encoding Encoding

	ObservedAt time.Time
	// ExpiresAt is the moment from which no recall returns it; zero is never.
	ExpiresAt time.Time

	Confidence       float32 // 0..1
	Importance       float32 // 0..1
	EmotionalValence float32 // −1..1
	DecayRate        float32 // ≥ 0

	Context Context
	// Metadata holds JSON-like values: nil, bool, float64, string, []any and
	// map[string]any.
	Metadata map[string]any

	Priority Lane
	Replace  bool
	// Digest is a 128-bit hash over the fields the client sent. Two sendings
	// of one id are the same observation when their digests are equal.
	Digest [16]byte

	// TraceParent and TraceState are the W3C trace context it was sent with.
	TraceParent string
	TraceState  string
}

// Expired reports whether the observation is past its expiry at t.
func (o *Observation) Expired(t time.Time) bool {
	return !o.ExpiresAt.IsZero() && !t.Before(o.ExpiresAt)
}
