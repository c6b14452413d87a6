package vector

import "unsafe"

// encodeStep is how many components the vector encoders take at a time.
const encodeStep = 16

// encodeU7 writes len(v) codes to dst and returns their sum.
func encodeU7(v, mean []float32, factor, inverse float32, dst []byte) int32 {
	mean, dst = mean[:len(v)], dst[:len(v)]
	set, n := active, len(v)&^(encodeStep-1)
	var sum int32
	switch {
	case n == 0:
	case set == kernelsAVX512:
		sum = encodeU7AVX512(unsafe.SliceData(v), unsafe.SliceData(mean), factor, inverse, unsafe.SliceData(dst), n)
	case set == kernelsAVX2:
		sum = encodeU7AVX2(unsafe.SliceData(v), unsafe.SliceData(mean), factor, inverse, unsafe.SliceData(dst), n)
	default:
		n = 0
	}
	return sum + encodeU7Portable(v[n:], mean[n:], factor, inverse, dst[n:])
}

// encodeSigns writes a bit for each of v to dst, which is zero.
func encodeSigns(v, mean []float32, factor float32, dst []byte) {
	mean, dst = mean[:len(v)], dst[:(len(v)+7)/8]
	set, n := active, len(v)&^(encodeStep-1)
	switch {
	case n == 0:
	case set == kernelsAVX512:
		encodeSignsAVX512(unsafe.SliceData(v), unsafe.SliceData(mean), factor, unsafe.SliceData(dst), n)
	case set == kernelsAVX2:
		encodeSignsAVX2(unsafe.SliceData(v), unsafe.SliceData(mean), factor, unsafe.SliceData(dst), n)
	default:
		n = 0
	}
	encodeSignsPortable(v[n:], mean[n:], factor, dst[n/8:])
}

// centredMoments returns Σ|factor·v − mean| and Σ(factor·v − mean)².
func centredMoments(v, mean []float32, factor float32) (abs, squares float32) {
	mean = mean[:len(v)]
	set, n := active, len(v)&^(encodeStep-1)
	switch {
	case n == 0:
	case set == kernelsAVX512:
		abs, squares = centredMomentsAVX512(unsafe.SliceData(v), unsafe.SliceData(mean), factor, n)
	case set == kernelsAVX2:
		abs, squares = centredMomentsAVX2(unsafe.SliceData(v), unsafe.SliceData(mean), factor, n)
	default:
		n = 0
	}
	a, s := centredMomentsPortable(v[n:], mean[n:], factor)
	return abs + a, squares + s
}
