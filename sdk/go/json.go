package engram

import (
	"encoding/json"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// MarshalJSON writes the JSON form of the contract, with the names of its
// fields, so that ParseJSON reads it back. A vector is written as numbers.
func (o Observation) MarshalJSON() ([]byte, error) {
	vector := o.Vector
	o.Vector = nil
	m, err := o.toWire()
	if err != nil {
		return nil, err
	}
	if vector != nil {
		m.Embedding = &v1.Embedding{Values: vector}
	}
	return protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
}

// UnmarshalJSON is ParseJSON.
func (o *Observation) UnmarshalJSON(b []byte) (err error) {
	*o, err = ParseJSON(b)
	return err
}

// MarshalJSON puts the observation beside what the space says of it.
func (s Stored) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Observation Observation `json:"observation"`
		Generation  uint64      `json:"generation"`
		CommittedAt time.Time   `json:"committed_at"`
		Quarantine  string      `json:"quarantine_reason,omitempty"`
	}{s.Observation, s.Generation, s.CommittedAt, s.Quarantine})
}

// MarshalText writes the metric's name.
func (m Metric) MarshalText() ([]byte, error) { return []byte(m.String()), nil }
