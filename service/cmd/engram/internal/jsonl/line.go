package jsonl

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
)

// Vectors is how vectors are written.
type Vectors int

// The forms of a vector.
const (
	Packed Vectors = iota // base64 of little-endian float32
	List                  // numbers
	None                  // left out: an import has the server embed the text again
)

// packedF32 is how the contract names the encoding of Packed.
const packedF32 = "VECTOR_ENCODING_F32_LE"

// Append appends the line of an observation, with its line feed. Equal
// observations give equal bytes, apart from generation and commit time. That
// an observation once replaced another is not written: it would make an import
// overwrite.
func Append(b []byte, s engram.Stored, form Vectors) ([]byte, error) {
	o := s.Observation
	o.Vector, o.Replace = nil, false
	plain, err := o.MarshalJSON()
	if err != nil {
		return nil, err
	}
	buf := bytes.NewBuffer(b)
	if err := json.Compact(buf, plain); err != nil { // the encoder's spaces differ from build to build
		return nil, err
	}
	b = buf.Bytes()
	b = b[:len(b)-1] // an id is always there: no comma is too many
	if s.Vector != nil && form != None {
		b = appendVector(append(b, `,"embedding":`...), s.Vector, form)
	}
	b = strconv.AppendUint(append(b, `,"generation":`...), s.Generation, 10)
	b = s.CommittedAt.UTC().AppendFormat(append(b, `,"committed_at":"`...), time.RFC3339Nano)
	b = append(b, '"')
	if s.Quarantine != "" {
		reason, err := json.Marshal(s.Quarantine)
		if err != nil {
			return nil, err
		}
		b = append(append(b, `,"quarantine_reason":`...), reason...)
	}
	return append(b, '}', '\n'), nil
}

func appendVector(b []byte, v []float32, form Vectors) []byte {
	if form == Packed {
		data := make([]byte, 0, 4*len(v))
		for _, x := range v {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
		}
		b = base64.StdEncoding.AppendEncode(append(b, `{"packed":{"data":"`...), data)
		return append(b, `","encoding":"`+packedF32+`"}}`...)
	}
	b = append(b, `{"values":[`...)
	for i, x := range v {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, float64(x), 'g', -1, 32)
	}
	return append(b, "]}"...)
}

// told is what a line of an export says beside the observation.
var told = []string{"generation", "committed_at", "quarantine_reason"}

// Parse reads a line as an observation. One without an id gets one derived from
// the line, so that reading it again adds nothing.
func Parse(line []byte) (engram.Observation, error) {
	line = bytes.TrimSpace(line)
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil || fields == nil {
		if err == nil {
			err = fmt.Errorf("null")
		}
		return engram.Observation{}, fmt.Errorf("not a JSON object: %w", err)
	}
	vector := packedVector(fields["embedding"])
	if vector != nil {
		delete(fields, "embedding")
	}
	for _, name := range told {
		delete(fields, name)
	}
	plain, err := json.Marshal(fields)
	if err != nil {
		return engram.Observation{}, err
	}
	o, err := engram.ParseJSON(plain)
	if err != nil {
		return o, err
	}
	if vector != nil {
		o.Vector = vector
	}
	if o.ID == "" {
		sum := sha256.Sum256(append([]byte("line\x00"), line...))
		o.ID = hex.EncodeToString(sum[:12])
	}
	return o, nil
}

// packedVector reads the form that exports write; nil for any other, which the
// contract's own reader takes, or complains of.
func packedVector(raw json.RawMessage) []float32 {
	var e struct {
		Values json.RawMessage `json:"values"`
		Packed struct {
			Data     []byte `json:"data"`
			Encoding string `json:"encoding"`
		} `json:"packed"`
	}
	if json.Unmarshal(raw, &e) != nil || e.Values != nil || e.Packed.Encoding != packedF32 || len(e.Packed.Data)%4 != 0 || len(e.Packed.Data) == 0 {
		return nil
	}
	v := make([]float32, len(e.Packed.Data)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(e.Packed.Data[4*i:]))
	}
	return v
}
