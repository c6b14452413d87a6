package engram

import (
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// Priority is the lane an observation waits in.
type Priority int

// The priorities. The zero value leaves the choice to the session, or is Normal.
const (
	Unset Priority = iota
	High
	Normal
	Low
)

// Observation is one thing to remember: a text, a vector, or both.
type Observation struct {
	// ID names it within its space: 1–128 bytes. Sending it again with the same
	// content changes nothing. Empty: derived by the server.
	ID string
	// Content is the text. Without a Vector the space's embedder makes one of it.
	Content string
	// Vector has the length of the space's dimension. It is copied: the caller
	// may use it again once the call has returned.
	Vector []float32
	// HalfPrecision sends Vector as binary16: half the bytes, three decimal
	// digits. Components beyond ±65504 become infinite and are rejected.
	HalfPrecision bool

	ObservedAt time.Time // zero: when it is received
	ExpiresAt  time.Time // zero: never

	// Confidence is 0..1; nil is the server's default, 0.7.
	Confidence       *float32
	Importance       float32 // 0..1
	EmotionalValence float32 // −1..1
	DecayRate        float32 // ≥ 0

	Context  Context
	Metadata map[string]any // JSON-like values

	Priority Priority
	// Replace overwrites what the space holds under ID.
	Replace bool
}

// Context says where, with whom, why and how.
type Context struct {
	Location     string
	Participants []string
	Reason       string
	Method       string
}

// toWire converts o. Vectors go as packed bytes: no per-element conversion on
// either side.
func (o *Observation) toWire() (*v1.Observation, error) {
	if err := o.checkText(); err != nil {
		return nil, err
	}
	m := &v1.Observation{
		Id: o.ID, Content: o.Content, Confidence: o.Confidence, Importance: o.Importance, EmotionalValence: o.EmotionalValence,
		DecayRate: o.DecayRate, Priority: v1.Priority(o.Priority), Replace: o.Replace,
		ObservedAt: stamp(o.ObservedAt), ExpiresAt: stamp(o.ExpiresAt),
	}
	if o.Vector != nil {
		m.Embedding = packed(o.Vector, o.HalfPrecision)
	}
	if c := o.Context; c.Location != "" || c.Participants != nil || c.Reason != "" || c.Method != "" {
		m.Context = &v1.ObservationContext{Location: c.Location, Participants: c.Participants, Reason: c.Reason, Method: c.Method}
	}
	if o.Metadata != nil {
		if deeper(o.Metadata, maxNesting) {
			return nil, invalid("metadata", "metadata is nested more than %d deep", maxNesting)
		}
		s, err := structpb.NewStruct(o.Metadata)
		if err != nil {
			return nil, invalid("metadata", "%v", err)
		}
		m.Metadata = s
	}
	return m, nil
}

// maxNesting bounds the depth of metadata. Servers take far less and say so by a
// rejection; what is nested so deep that no message can carry it would end the
// whole stream.
const maxNesting = 1000

// deeper reports whether a value is nested more than n deep.
func deeper(v any, n int) bool {
	if n < 0 {
		return true
	}
	switch v := v.(type) {
	case map[string]any:
		for _, x := range v {
			if deeper(x, n-1) {
				return true
			}
		}
	case []any:
		for _, x := range v {
			if deeper(x, n-1) {
				return true
			}
		}
	}
	return false
}

// checkText fails for strings that are not UTF-8. They cannot be encoded: on a
// stream, one would take the whole session down.
func (o *Observation) checkText() error {
	if !utf8.ValidString(o.ID) {
		return notUTF8("id")
	}
	if !utf8.ValidString(o.Content) {
		return notUTF8("content")
	}
	c := &o.Context
	if !utf8.ValidString(c.Location) || !utf8.ValidString(c.Reason) || !utf8.ValidString(c.Method) {
		return notUTF8("context")
	}
	for _, p := range c.Participants {
		if !utf8.ValidString(p) {
			return notUTF8("context.participants")
		}
	}
	return nil
}

func notUTF8(field string) error {
	return invalid(field, "%s is not valid UTF-8", field)
}

func fromWireObservation(m *v1.Observation) Observation {
	o := Observation{
		ID: m.GetId(), Content: m.GetContent(), Confidence: m.Confidence, Importance: m.GetImportance(), EmotionalValence: m.GetEmotionalValence(),
		DecayRate: m.GetDecayRate(), Priority: Priority(m.GetPriority()), Replace: m.GetReplace(),
		ObservedAt: moment(m.GetObservedAt()), ExpiresAt: moment(m.GetExpiresAt()),
	}
	if c := m.GetContext(); c != nil {
		o.Context = Context{Location: c.Location, Participants: c.Participants, Reason: c.Reason, Method: c.Method}
	}
	if s := m.GetMetadata(); s != nil {
		o.Metadata = s.AsMap()
	}
	if e := m.GetEmbedding(); e != nil {
		o.Vector = unpacked(e)
	}
	return o
}

func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func moment(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

// Confidence makes the value of Observation.Confidence.
func Confidence(v float32) *float32 { return proto.Float32(v) }

// ParseJSON reads an observation in the JSON form of the contract.
func ParseJSON(b []byte) (Observation, error) {
	var m v1.Observation
	if err := protojson.Unmarshal(b, &m); err != nil {
		return Observation{}, &Error{Code: "invalid_argument", Reason: "INVALID_FIELD", Message: err.Error()}
	}
	return fromWireObservation(&m), nil
}
