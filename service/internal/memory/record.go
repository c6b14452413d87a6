package memory

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of a record. A record is a protobuf message in wire form, so
// that old readers step over what newer writers add. Numbers are never reused.
const (
	recID protowire.Number = iota + 1
	recContent
	recEncoding
	recObservedAt
	recExpiresAt
	recConfidence
	recImportance
	recValence
	recDecay
	recLocation
	recParticipant
	recContextReason
	recMethod
	recMetadata
	recPriority
	recReplace
	recDigest
	recTraceParent
	recTraceState
)

// AppendRecord appends the kept form of o, without its vector, to b. It fails
// only when the metadata holds something JSON cannot (a NaN, say).
func AppendRecord(b []byte, o *Observation) ([]byte, error) { return AppendRecordAs(b, o.ID, o) }

// AppendRecordAs is AppendRecord under another id than the observation's own.
func AppendRecordAs(b []byte, id ObservationID, o *Observation) ([]byte, error) {
	b = appendString(b, recID, string(id))
	b = appendString(b, recContent, o.Content)
	b = appendUint(b, recEncoding, uint64(o.Encoding))
	b = appendTime(b, recObservedAt, o.ObservedAt)
	b = appendTime(b, recExpiresAt, o.ExpiresAt)
	b = appendFloat(b, recConfidence, o.Confidence)
	b = appendFloat(b, recImportance, o.Importance)
	b = appendFloat(b, recValence, o.EmotionalValence)
	b = appendFloat(b, recDecay, o.DecayRate)
	b = appendString(b, recLocation, o.Context.Location)
	for _, p := range o.Context.Participants {
		b = protowire.AppendTag(b, recParticipant, protowire.BytesType)
		b = protowire.AppendString(b, p)
	}
	b = appendString(b, recContextReason, o.Context.Reason)
	b = appendString(b, recMethod, o.Context.Method)
	if len(o.Metadata) > 0 {
		// Map keys come out sorted, so equal metadata has equal bytes.
		m, err := json.Marshal(o.Metadata)
		if err != nil {
			return b, fmt.Errorf("encode metadata: %w", err)
		}
		b = protowire.AppendTag(b, recMetadata, protowire.BytesType)
		b = protowire.AppendBytes(b, m)
	}
	b = appendUint(b, recPriority, uint64(o.Priority))
	if o.Replace {
		b = appendUint(b, recReplace, 1)
	}
	if o.Digest != [16]byte{} {
		b = protowire.AppendTag(b, recDigest, protowire.BytesType)
		b = protowire.AppendBytes(b, o.Digest[:])
	}
	b = appendString(b, recTraceParent, o.TraceParent)
	b = appendString(b, recTraceState, o.TraceState)
	return b, nil
}

// ParseRecord reads what AppendRecord wrote. The result shares nothing with b.
// Fields it does not know are stepped over.
func ParseRecord(b []byte) (*Observation, error) {
	o := &Observation{}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, fmt.Errorf("parse record: %w", protowire.ParseError(n))
		}
		b = b[n:]
		n = protowire.ConsumeFieldValue(num, typ, b)
		if n < 0 {
			return nil, fmt.Errorf("parse record field %d: %w", num, protowire.ParseError(n))
		}
		if err := o.setField(num, typ, b[:n]); err != nil {
			return nil, err
		}
		b = b[n:]
	}
	return o, nil
}

func (o *Observation) setField(num protowire.Number, typ protowire.Type, v []byte) error {
	switch typ {
	case protowire.BytesType:
		s, _ := protowire.ConsumeBytes(v)
		return o.setBytes(num, s)
	case protowire.VarintType:
		u, _ := protowire.ConsumeVarint(v)
		switch num {
		case recEncoding:
			o.Encoding = Encoding(u)
		case recObservedAt:
			o.ObservedAt = decodeTime(u)
		case recExpiresAt:
			o.ExpiresAt = decodeTime(u)
		case recPriority:
			o.Priority = Lane(u)
		case recReplace:
			o.Replace = u != 0
		}
	case protowire.Fixed32Type:
		u, _ := protowire.ConsumeFixed32(v)
		f := math.Float32frombits(u)
		switch num {
		case recConfidence:
			o.Confidence = f
		case recImportance:
			o.Importance = f
		case recValence:
			o.EmotionalValence = f
		case recDecay:
			o.DecayRate = f
		}
	}
	return nil
}

func (o *Observation) setBytes(num protowire.Number, s []byte) error {
	switch num {
	case recID:
		o.ID = ObservationID(s)
	case recContent:
		o.Content = string(s)
	case recLocation:
		o.Context.Location = string(s)
	case recParticipant:
		o.Context.Participants = append(o.Context.Participants, string(s))
	case recContextReason:
		o.Context.Reason = string(s)
	case recMethod:
		o.Context.Method = string(s)
	case recMetadata:
		if err := json.Unmarshal(s, &o.Metadata); err != nil {
			return fmt.Errorf("parse record metadata: %w", err)
		}
	case recDigest:
		if len(s) != len(o.Digest) {
			return fmt.Errorf("parse record digest: %d bytes, want %d", len(s), len(o.Digest))
		}
		copy(o.Digest[:], s)
	case recTraceParent:
		o.TraceParent = string(s)
	case recTraceState:
		o.TraceState = string(s)
	}
	return nil
}

// RecordID reads only the id of a record, and its digest: what resolving a
// repeated id needs.
func RecordID(b []byte) (id ObservationID, digest [16]byte) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return id, digest
		}
		b = b[n:]
		n = protowire.ConsumeFieldValue(num, typ, b)
		if n < 0 {
			return id, digest
		}
		if typ == protowire.BytesType {
			s, _ := protowire.ConsumeBytes(b)
			switch num {
			case recID:
				id = ObservationID(s)
			case recDigest:
				copy(digest[:], s)
				return id, digest
			}
		}
		b = b[n:]
	}
	return id, digest
}

// RecordHasID reports whether the record is of an observation with that id. It
// allocates nothing.
func RecordHasID(b []byte, id ObservationID) bool {
	return id != "" && string(RecordIDBytes(b)) == string(id)
}

// RecordIDBytes is the id in a record, a part of its bytes; nil if there is none.
func RecordIDBytes(b []byte) []byte {
	num, typ, n := protowire.ConsumeTag(b)
	if n < 0 || num != recID || typ != protowire.BytesType { // the id comes first
		return nil
	}
	id, n := protowire.ConsumeBytes(b[n:])
	if n < 0 {
		return nil
	}
	return id
}

func appendString(b []byte, n protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	b = protowire.AppendTag(b, n, protowire.BytesType)
	return protowire.AppendString(b, s)
}

func appendUint(b []byte, n protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	b = protowire.AppendTag(b, n, protowire.VarintType)
	return protowire.AppendVarint(b, v)
}

func appendFloat(b []byte, n protowire.Number, f float32) []byte {
	if f == 0 {
		return b
	}
	b = protowire.AppendTag(b, n, protowire.Fixed32Type)
	return protowire.AppendFixed32(b, math.Float32bits(f))
}

func appendTime(b []byte, n protowire.Number, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = protowire.AppendTag(b, n, protowire.VarintType)
	return protowire.AppendVarint(b, protowire.EncodeZigZag(t.UnixNano()))
}

func decodeTime(u uint64) time.Time { return time.Unix(0, protowire.DecodeZigZag(u)).UTC() }
