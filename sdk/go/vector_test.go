package engram

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Every binary16 comes back from binary32 as itself, and what lies between two
// of them goes to the nearer one.
func TestHalfPrecision(t *testing.T) {
	for h := range 1 << 16 {
		x := fromHalf(uint16(h))
		if math.IsNaN(float64(x)) {
			if back := toHalf(x); back&0x7c00 != 0x7c00 || back&0x3ff == 0 {
				t.Fatalf("%04x: NaN became %04x", h, back)
			}
			continue
		}
		if back := toHalf(x); back != uint16(h) {
			t.Fatalf("%04x is %v, which became %04x", h, x, back)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		x := float32(rapid.Float64Range(-65504, 65504).Draw(t, "x"))
		if rapid.Bool().Draw(t, "small") {
			x *= 0x1p-20
		}
		h := toHalf(x)
		best := math.Abs(float64(fromHalf(h)) - float64(x))
		for _, other := range []uint16{h - 1, h + 1} {
			y := float64(fromHalf(other))
			d := math.Abs(y - float64(x))
			if !math.IsNaN(y) && !math.IsInf(y, 0) && (d < best || d == best && h&1 == 1) {
				t.Fatalf("%v became %v, and %v is nearer, or as near and even", x, fromHalf(h), y)
			}
		}
	})
}

func TestPackedVectorsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SliceOfN(rapid.Float32(), 1, 50).Draw(t, "v")
		given := slices.Clone(v)
		m := packed(v, false)
		clear(v) // the caller's again
		if got := unpacked(m); !slices.Equal(got, given) {
			t.Fatalf("%v became %v", given, got)
		}
	})
	if got := unpacked(packed([]float32{1, -2, 0.5}, true)); !slices.Equal(got, []float32{1, -2, 0.5}) {
		t.Fatal(got)
	}
}
