package filter

import (
	"sort"
	"strings"
	"time"

	"github.com/engram-stream/engram/service/internal/memory"
)

// field says where a clause's values come from.
type field uint8

const (
	fieldMetadata field = iota
	fieldID
	fieldObservedAt
	fieldExpiresAt
	fieldConfidence
	fieldImportance
	fieldValence
	fieldLocation
	fieldReason
	fieldMethod
	fieldParticipants
)

const metadataPrefix = "metadata."

// fields are the keys that an observation has by itself.
var fields = map[string]field{
	"id":                   fieldID,
	"observed_at":          fieldObservedAt,
	"expires_at":           fieldExpiresAt,
	"confidence":           fieldConfidence,
	"importance":           fieldImportance,
	"emotional_valence":    fieldValence,
	"context.location":     fieldLocation,
	"context.reason":       fieldReason,
	"context.method":       fieldMethod,
	"context.participants": fieldParticipants,
}

// kind is the type of a built-in field's values.
type kind uint8

const (
	kindAny kind = iota // metadata: each value has its own
	kindString
	kindNumber
	kindTime
)

func (f field) kind() kind {
	switch f {
	case fieldMetadata:
		return kindAny
	case fieldObservedAt, fieldExpiresAt:
		return kindTime
	case fieldConfidence, fieldImportance, fieldValence:
		return kindNumber
	default:
		return kindString
	}
}

// number gives a numeric field. The fields hold float32; the values they are
// compared with are rounded to that first, so that 0.7 equals 0.7.
func (f field) number(o *memory.Observation) float64 {
	switch f {
	case fieldConfidence:
		return float64(o.Confidence)
	case fieldImportance:
		return float64(o.Importance)
	default:
		return float64(o.EmotionalValence)
	}
}

// time gives a time field; the zero time is "not there".
func (f field) time(o *memory.Observation) time.Time {
	if f == fieldObservedAt {
		return o.ObservedAt
	}
	return o.ExpiresAt
}

// text gives a string field; the empty string is "not there".
func (f field) text(o *memory.Observation) string {
	switch f {
	case fieldID:
		return string(o.ID)
	case fieldLocation:
		return o.Context.Location
	case fieldReason:
		return o.Context.Reason
	default:
		return o.Context.Method
	}
}

// knownKeys lists the keys for error texts.
func knownKeys() string {
	keys := make([]string, 0, len(fields))
	for k := range fields {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return strings.Join(keys, ", ")
}

// splitPath takes the escaped path apart. ok is false when a name is empty or
// the last backslash escapes nothing.
func splitPath(path string) (names []string, ok bool) {
	var name strings.Builder
	for i := 0; i < len(path); i++ {
		switch c := path[i]; c {
		case '.':
			if name.Len() == 0 {
				return nil, false
			}
			names = append(names, name.String())
			name.Reset()
		case '\\':
			if i++; i == len(path) {
				return nil, false
			}
			name.WriteByte(path[i])
		default:
			name.WriteByte(c)
		}
	}
	if name.Len() == 0 {
		return nil, false
	}
	return append(names, name.String()), true
}

// appendName appends "." and the name, escaped, to a key: the inverse of
// splitPath.
func appendName(key []byte, name string) []byte {
	key = append(key, '.')
	for i := range len(name) {
		if name[i] == '.' || name[i] == '\\' {
			key = append(key, '\\')
		}
		key = append(key, name[i])
	}
	return key
}
