//go:build !amd64 && !arm64

package vector

func encodeU7(v, mean []float32, factor, inverse float32, dst []byte) int32 {
	return encodeU7Portable(v, mean[:len(v)], factor, inverse, dst[:len(v)])
}

func encodeSigns(v, mean []float32, factor float32, dst []byte) {
	encodeSignsPortable(v, mean[:len(v)], factor, dst[:(len(v)+7)/8])
}

func centredMoments(v, mean []float32, factor float32) (abs, squares float32) {
	return centredMomentsPortable(v, mean[:len(v)], factor)
}
