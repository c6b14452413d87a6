package vector

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Bytes that one component takes in each packed encoding.
const (
	BytesF32 = 4
	BytesF16 = 2
)

// DecodeF32LE fills dst from packed little-endian float32. data must be
// exactly 4·len(dst) bytes; sizes are validated by the caller, and a mismatch
// panics. Any bit pattern is taken over as it is, NaN included: see
// [AllFinite].
func DecodeF32LE(dst []float32, data []byte) {
	mustPack(len(dst), len(data), BytesF32)
	if littleEndian {
		copy(native(dst), data)
		return
	}
	decodeF32LE(dst, data)
}

// decodeF32LE is DecodeF32LE of any machine.
func decodeF32LE(dst []float32, data []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[i*4 : i*4+4]))
	}
}

// EncodeF32LE appends v to dst as packed little-endian float32.
func EncodeF32LE(dst []byte, v []float32) []byte {
	for _, x := range v {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(x))
	}
	return dst
}

// DecodeF16LE fills dst from packed little-endian IEEE 754 binary16; data must
// be exactly 2·len(dst) bytes. Every binary16 value is exact in float32.
func DecodeF16LE(dst []float32, data []byte) {
	mustPack(len(dst), len(data), BytesF16)
	for i := range dst {
		dst[i] = fromBinary16(binary.LittleEndian.Uint16(data[i*2 : i*2+2]))
	}
}

// EncodeF16LE appends v to dst as packed little-endian IEEE 754 binary16,
// rounded to nearest, ties to even. Magnitudes from 65520 become infinite.
func EncodeF16LE(dst []byte, v []float32) []byte {
	for _, x := range v {
		dst = binary.LittleEndian.AppendUint16(dst, toBinary16(x))
	}
	return dst
}

// fromBinary16 widens: 1 sign, 5 exponent (bias 15) and 10 fraction bits to 1,
// 8 (bias 127) and 23. NaN payloads are kept in the upper fraction bits.
func fromBinary16(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exponent, fraction := uint32(h>>10)&0x1f, uint32(h)&0x3ff
	switch exponent {
	case 0: // zero and subnormals: fraction · 2⁻²⁴, exact in float32
		f := float32(fraction) * 0x1p-24
		return math.Float32frombits(sign | math.Float32bits(f))
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	default:
		return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
	}
}

func toBinary16(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits >> 16 & 0x8000)
	magnitude := bits & 0x7fffffff
	switch {
	case magnitude > 0x7f800000: // NaN: stays one even if its payload does not fit
		payload := uint16(magnitude >> 13 & 0x3ff)
		if payload == 0 {
			payload = 0x200
		}
		return sign | 0x7c00 | payload
	case magnitude >= 0x477ff000: // ≥ 65520 rounds beyond the largest, 65504
		return sign | 0x7c00
	case magnitude < 0x38800000: // < 2⁻¹⁴: subnormal, a multiple of 2⁻²⁴
		// Adding 2⁻¹ aligns the unit of the last place to 2⁻²⁴; the processor
		// rounds to nearest even. The fraction field is then the result.
		aligned := math.Float32frombits(magnitude) + 0x1p-1
		return sign | uint16(math.Float32bits(aligned)-math.Float32bits(0x1p-1))
	default:
		// Round at bit 13: half of it less one, plus the bit that would become
		// the last. A carry out of the fraction rightly raises the exponent.
		rounded := magnitude + 0xfff + magnitude>>13&1
		return sign | uint16(rounded>>13-112<<10)
	}
}

func mustPack(components, bytes, size int) {
	if components*size != bytes {
		panic(fmt.Sprintf("vector: %d bytes do not hold %d components of %d bytes", bytes, components, size))
	}
}
