package engram

import (
	"encoding/binary"
	"math"
	"unsafe"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// vectorMessage is an embedding and its parts in one allocation.
type vectorMessage struct {
	embedding v1.Embedding
	packed    v1.PackedVector
}

// packed makes the message of a vector, of a copy of its components.
func packed(v []float32, half bool) *v1.Embedding {
	m := new(vectorMessage)
	m.packed.Encoding = v1.VectorEncoding_VECTOR_ENCODING_F32_LE
	switch {
	case half:
		m.packed.Encoding = v1.VectorEncoding_VECTOR_ENCODING_F16_LE
		m.packed.Data = make([]byte, 0, 2*len(v))
		for _, x := range v {
			m.packed.Data = binary.LittleEndian.AppendUint16(m.packed.Data, toHalf(x))
		}
	case littleEndian && len(v) > 0:
		m.packed.Data = append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))...)
	default:
		m.packed.Data = make([]byte, 0, 4*len(v))
		for _, x := range v {
			m.packed.Data = binary.LittleEndian.AppendUint32(m.packed.Data, math.Float32bits(x))
		}
	}
	m.embedding.Packed = &m.packed
	return &m.embedding
}

// littleEndian says that a vector lies in memory as it goes over the wire.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// unpacked reads a vector in any of its forms; nil for one of a newer server.
func unpacked(e *v1.Embedding) []float32 {
	p := e.GetPacked()
	if p == nil {
		return e.GetValues()
	}
	switch p.Encoding {
	case v1.VectorEncoding_VECTOR_ENCODING_F32_LE:
		v := make([]float32, len(p.Data)/4)
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(p.Data[4*i:]))
		}
		return v
	case v1.VectorEncoding_VECTOR_ENCODING_F16_LE:
		v := make([]float32, len(p.Data)/2)
		for i := range v {
			v[i] = fromHalf(binary.LittleEndian.Uint16(p.Data[2*i:]))
		}
		return v
	}
	return nil
}

// toHalf rounds to binary16 (IEEE 754), to the nearest, ties to even.
func toHalf(x float32) uint16 {
	b := math.Float32bits(x)
	sign := uint16(b >> 16 & 0x8000)
	exp, frac := int(b>>23&0xff)-127+15, b&0x7fffff
	switch {
	case b&0x7fffffff > 0x7f800000:
		return sign | 0x7e00 // not a number
	case exp >= 31:
		return sign | 0x7c00
	case exp < -10:
		return sign
	case exp <= 0: // too small for the implicit 1
		return sign | shifted(frac|0x800000, uint(14-exp))
	}
	// A carry out of the fraction rightly raises the exponent.
	return sign | (uint16(exp)<<10 + shifted(frac, 13))
}

// shifted divides by 2^n, to the nearest, ties to even.
func shifted(x uint32, n uint) uint16 {
	q, rest, half := x>>n, x&(1<<n-1), uint32(1)<<(n-1)
	if rest > half || (rest == half && q&1 == 1) {
		q++
	}
	return uint16(q)
}

// fromHalf widens a binary16.
func fromHalf(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exp {
	case 0:
		return math.Float32frombits(sign | math.Float32bits(float32(frac)*0x1p-24))
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}
