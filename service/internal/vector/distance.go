package vector

import (
	"fmt"
	"math"
)

// Dot returns the inner product of a and b, which must be of one length.
func Dot(a, b []float32) float32 {
	mustMatch(len(a), len(b))
	return dot(a, b)
}

// SquaredEuclidean returns ‖a−b‖², the square of the Euclidean distance, of
// two vectors of one length.
func SquaredEuclidean(a, b []float32) float32 {
	mustMatch(len(a), len(b))
	return squaredEuclidean(a, b)
}

// Norm returns ‖v‖. It sums in float64, so that finite components of any size
// give a norm that is right; +Inf only if it exceeds float32.
func Norm(v []float32) float32 { return float32(math.Sqrt(squaredNorm(v))) }

// InverseNorm returns 1/‖v‖, and 0 for the zero vector, whose cosine with
// anything is thereby 0.
func InverseNorm(v []float32) float32 {
	s := squaredNorm(v)
	if s == 0 {
		return 0
	}
	return float32(min(1/math.Sqrt(s), math.MaxFloat32))
}

func squaredNorm(v []float32) float64 {
	var s0, s1 float64
	for len(v) >= 2 {
		x, y := float64(v[0]), float64(v[1])
		s0 += x * x
		s1 += y * y
		v = v[2:]
	}
	if len(v) == 1 {
		s0 += float64(v[0]) * float64(v[0])
	}
	return s0 + s1
}

// AllFinite reports whether v holds neither NaN nor an infinity.
func AllFinite(v []float32) bool {
	const exponent = 0x7f800000
	for _, x := range v {
		if math.Float32bits(x)&exponent == exponent {
			return false
		}
	}
	return true
}

func mustMatch(a, b int) {
	if a != b {
		panic(fmt.Sprintf("vector: lengths differ: %d and %d", a, b))
	}
}
