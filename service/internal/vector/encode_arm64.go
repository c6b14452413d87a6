package vector

import "unsafe"

// encodeStep is how many components the vector encoders take at a time.
const encodeStep = 16

// encodeU7 writes len(v) codes to dst and returns their sum.
func encodeU7(v, mean []float32, factor, inverse float32, dst []byte) int32 {
	mean, dst = mean[:len(v)], dst[:len(v)]
	n, sum := wholeSteps(len(v)), int32(0)
	if n > 0 {
		sum = encodeU7NEON(unsafe.SliceData(v), unsafe.SliceData(mean), factor, inverse, unsafe.SliceData(dst), n)
	}
	return sum + encodeU7Portable(v[n:], mean[n:], factor, inverse, dst[n:])
}

// encodeSigns writes a bit for each of v to dst, which is zero.
func encodeSigns(v, mean []float32, factor float32, dst []byte) {
	mean, dst = mean[:len(v)], dst[:(len(v)+7)/8]
	n := wholeSteps(len(v))
	if n > 0 {
		encodeSignsNEON(unsafe.SliceData(v), unsafe.SliceData(mean), factor, unsafe.SliceData(dst), n)
	}
	encodeSignsPortable(v[n:], mean[n:], factor, dst[n/8:])
}

// centredMoments returns Σ|factor·v − mean| and Σ(factor·v − mean)².
func centredMoments(v, mean []float32, factor float32) (abs, squares float32) {
	mean = mean[:len(v)]
	n := wholeSteps(len(v))
	if n > 0 {
		abs, squares = centredMomentsNEON(unsafe.SliceData(v), unsafe.SliceData(mean), factor, n)
	}
	a, s := centredMomentsPortable(v[n:], mean[n:], factor)
	return abs + a, squares + s
}

// wholeSteps is how many of n components NEON encodes.
func wholeSteps(n int) int {
	if active == kernelsPortable {
		return 0
	}
	return n &^ (encodeStep - 1)
}

// These take n > 0 components, a multiple of encodeStep. They are in
// kernels_arm64.s.

//go:noescape
func encodeU7NEON(v, mean *float32, factor, inverse float32, dst *byte, n int) int32

//go:noescape
func encodeSignsNEON(v, mean *float32, factor float32, dst *byte, n int)

//go:noescape
func centredMomentsNEON(v, mean *float32, factor float32, n int) (abs, squares float32)
