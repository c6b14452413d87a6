package vector

import (
	"encoding/binary"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestEveryBinary16RoundTrips(t *testing.T) {
	data := make([]byte, 0, 2<<16)
	for h := range 1 << 16 {
		data = binary.LittleEndian.AppendUint16(data, uint16(h))
	}
	v := make([]float32, 1<<16)
	DecodeF16LE(v, data)
	back := EncodeF16LE(nil, v)
	for h := range 1 << 16 {
		if got := binary.LittleEndian.Uint16(back[2*h:]); got != uint16(h) {
			t.Errorf("%#04x decodes to %v and encodes to %#04x", h, v[h], got)
		}
		if got, want := float64(v[h]), binary16Value(uint16(h)); got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Errorf("%#04x decodes to %v, want %v", h, got, want)
		}
	}
}

// binary16Value evaluates a pattern by the definition in IEEE 754-2019, §3.4.
func binary16Value(h uint16) float64 {
	sign := 1.0
	if h>>15 == 1 {
		sign = -1
	}
	exponent, fraction := int(h>>10&31), float64(h&1023)
	switch {
	case exponent == 31 && fraction == 0:
		return math.Inf(int(sign))
	case exponent == 31:
		return math.NaN()
	case exponent == 0:
		return sign * math.Ldexp(fraction, -24)
	default:
		return sign * math.Ldexp(1024+fraction, exponent-25)
	}
}

// Between two neighbouring binary16 values the nearer is taken, and in the
// middle the even one; checked at, just below and just above every midpoint.
func TestBinary16RoundsToNearestEven(t *testing.T) {
	for h := uint16(0); h < 0x7bff; h++ {
		low, high := binary16Value(h), binary16Value(h+1)
		middle := float32((low + high) / 2) // exact: one more bit than binary16
		even := h
		if h&1 == 1 {
			even = h + 1
		}
		for f, want := range map[float32]uint16{
			math.Nextafter32(middle, 0):     h,
			middle:                          even,
			math.Nextafter32(middle, 1e30):  h + 1,
			-middle:                         even | 0x8000,
			-math.Nextafter32(middle, 1e30): (h + 1) | 0x8000,
		} {
			if got := toBinary16(f); got != want {
				t.Fatalf("%v: got %#04x, want %#04x", f, got, want)
			}
		}
	}
}

func TestBinary16Limits(t *testing.T) {
	for f, want := range map[float32]uint16{
		65504: 0x7bff, 65519.996: 0x7bff, 65520: 0x7c00, math.MaxFloat32: 0x7c00, -65520: 0xfc00,
		0x1p-24: 1, 0x1p-25: 0, math.Nextafter32(0x1p-25, 1): 1, math.SmallestNonzeroFloat32: 0, 1: 0x3c00,
	} {
		if got := toBinary16(f); got != want {
			t.Errorf("%v: got %#04x, want %#04x", f, got, want)
		}
	}
	if got := toBinary16(math.Float32frombits(0x7f800001)); got&0x7c00 != 0x7c00 || got&0x3ff == 0 {
		t.Errorf("a NaN became %#04x", got)
	}
}

func TestF32RoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.SliceOf(rapid.Uint32()).Draw(t, "bits")
		var data []byte
		for _, b := range bits {
			data = binary.LittleEndian.AppendUint32(data, b)
		}
		v := make([]float32, len(bits))
		DecodeF32LE(v, data)
		if back := EncodeF32LE(nil, v); string(back) != string(data) {
			t.Fatalf("% x became % x", data, back)
		}
	})
}

func FuzzDecodeF16(f *testing.F) {
	f.Add([]byte{0, 0x3c, 1, 0, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, data []byte) {
		data = data[:len(data)/2*2]
		v := make([]float32, len(data)/2)
		DecodeF16LE(v, data)
		if back := EncodeF16LE(nil, v); string(back) != string(data) {
			t.Errorf("% x became % x", data, back)
		}
	})
}
