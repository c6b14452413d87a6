package vector

import (
	"bytes"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// bitsOf gives the bits of floats, which tells NaNs apart.
func bitsOf(v []float32) []uint32 {
	out := make([]uint32, len(v))
	for i, x := range v {
		out[i] = math.Float32bits(x)
	}
	return out
}

// What is copied as memory and what is put together byte by byte are the same,
// at any alignment and with any bits.
func TestDecodeF32LECopiesWhatTheMachineReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 300).Draw(t, "components")
		offset := rapid.IntRange(0, 7).Draw(t, "offset")
		data := rapid.SliceOfN(rapid.Byte(), offset+n*BytesF32, offset+n*BytesF32).Draw(t, "data")[offset:]
		sent := bytes.Clone(data)
		at := rapid.IntRange(0, 3).Draw(t, "at")
		room := make([]float32, at+n+1) // with a neighbour on both sides
		room[at+n] = 7
		got, want := room[at:at+n], make([]float32, n)
		DecodeF32LE(got, data)
		decodeF32LE(want, data)
		for i, b := range bitsOf(want) {
			if math.Float32bits(got[i]) != b {
				t.Fatalf("component %d is %x, want %x", i, math.Float32bits(got[i]), b)
			}
		}
		if room[at+n] != 7 {
			t.Fatal("wrote past the end")
		}
		if !bytes.Equal(EncodeF32LE(nil, got), data) {
			t.Fatal("what is encoded again differs")
		}
		clear(got)
		if !bytes.Equal(data, sent) {
			t.Fatal("the floats share memory with the bytes")
		}
	})
}

func TestDecodeF32LEWantsTheRightLength(t *testing.T) {
	for _, n := range []int{0, 3, 5, 7, 9, 12} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("2 components of %d bytes", n)
				}
			}()
			DecodeF32LE(make([]float32, 2), make([]byte, n))
		}()
	}
}
