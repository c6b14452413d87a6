package memory

import (
	"encoding/binary"
	"math"
	"unsafe"

	"github.com/zeebo/xxh3"
)

// littleEndian reports whether floats lie in memory as they are hashed.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// DigestOf hashes the fields a client sent: those of the record, and the
// vector unless the server made it. Call it before defaults that differ from
// one try to the next (the time of receipt) are filled in, and after the
// vector is decoded.
//
// The digest tells a retry from another observation under the same id. Both
// come from the one who owns the id, who could only deceive themselves: so it
// is XXH3 of 128 bits, which resists chance and not design, and takes a
// fortieth of the time of SHA-256.
func DigestOf(o *Observation) ([16]byte, error) {
	plain := *o
	plain.Digest = [16]byte{}
	// A retry may travel under another span.
	plain.TraceParent, plain.TraceState = "", ""
	b, err := AppendRecord(make([]byte, 0, 256+len(o.Content)), &plain)
	if err != nil {
		return [16]byte{}, err
	}
	if o.Encoding != EncodingNone && len(o.Vector) > 0 {
		sum := xxh3.Hash128(floatBytes(o.Vector)).Bytes()
		b = append(b, sum[:]...)
	}
	return xxh3.Hash128(b).Bytes(), nil
}

// floatBytes gives the floats as bytes, little-endian. The bytes may be those
// of v itself: they are not to be changed, nor kept.
func floatBytes(v []float32) []byte {
	if littleEndian {
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
	}
	return appendFloats(make([]byte, 0, 4*len(v)), v)
}

func appendFloats(b []byte, v []float32) []byte {
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return b
}
