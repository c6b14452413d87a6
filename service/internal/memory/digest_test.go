package memory

import (
	"bytes"
	"encoding/hex"
	"testing"

	"pgregory.net/rapid"
)

// Digests lie on disk: a release that computed others would take every retry
// across an upgrade for a change.
func TestDigestStays(t *testing.T) {
	for _, c := range []struct {
		name, want string
		o          Observation
	}{
		{"text", "1dae7b65dd117793252929e59b8e9c9a", Observation{ID: "a", Content: "x"}},
		{"vector", "d061c855ec0ab7813bea181c5298797c", Observation{ID: "a", Content: "x", Vector: []float32{1, -2.5}, Encoding: EncodingValues}},
		{"metadata", "93b8174de8835acf3f3306bf2bcf826c", Observation{ID: "a", Metadata: map[string]any{"b": 1.0, "a": []any{"x", nil}}}},
	} {
		got, err := DigestOf(&c.o)
		if err != nil {
			t.Fatal(err)
		}
		if hex.EncodeToString(got[:]) != c.want {
			t.Errorf("%s: %x, want %s", c.name, got, c.want)
		}
	}
}

func TestDigestSeesEveryFloat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SliceOfN(rapid.Float32(), 1, 40).Draw(t, "vector")
		if !bytes.Equal(floatBytes(v), appendFloats(nil, v)) {
			t.Fatal("the floats in memory are not those written out")
		}
		a := &Observation{ID: "a", Vector: v, Encoding: EncodingValues}
		b := &Observation{ID: "a", Vector: append([]float32{}, v...), Encoding: EncodingValues}
		if da, _ := DigestOf(a); da != must(DigestOf(b)) {
			t.Fatal("equal vectors, two digests")
		}
		b.Vector[rapid.IntRange(0, len(v)-1).Draw(t, "at")] += 1e30
		if !bytes.Equal(floatBytes(a.Vector), floatBytes(b.Vector)) && must(DigestOf(a)) == must(DigestOf(b)) {
			t.Fatal("two vectors, one digest")
		}
	})
}

func must(d [16]byte, err error) [16]byte {
	if err != nil {
		panic(err)
	}
	return d
}
