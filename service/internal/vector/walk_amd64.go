package vector

import (
	"unsafe"

	"github.com/klauspost/cpuid/v2"
)

// walk512 tells whether the kernels of a walk may take their AVX-512 form. The
// race detector sees nothing of what they read, and would take what was written
// before a link for unordered with what is read after it.
var walk512 = !raceDetector && cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512CD, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL, cpuid.BMI2, cpuid.POPCNT)

func unmarkedLinks(list []uint32, marks []uint64, out []uint32) (found, done int) {
	if active == kernelsAVX512 && walk512 && len(marks) >= lanes/2 {
		found, done = unmarkedAVX512(unsafe.SliceData(list), len(list), unsafe.SliceData(marks), 2*len(marks), unsafe.SliceData(out))
		if done == len(list) {
			return found, done
		}
	}
	// A link beyond the marks, or one that is there twice as the list changes.
	f, d := unmarkedPortable(list[done:], marks, out[found:])
	return found + f, done + d
}

func keysAbove[K ~uint64](scores []float32, rows []uint32, least K, out []K) int {
	if active == kernelsAVX512 && walk512 {
		return keysAboveAVX512(unsafe.SliceData(scores), unsafe.SliceData(rows), len(rows), uint64(least), (*uint64)(unsafe.Pointer(unsafe.SliceData(out))))
	}
	return keysAbovePortable(scores, rows, least, out)
}

func dropCloser[K ~uint64](scores []float32, keys []K, rows []uint32) int {
	if active == kernelsAVX512 && walk512 {
		return dropCloserAVX512(unsafe.SliceData(scores), (*uint64)(unsafe.Pointer(unsafe.SliceData(keys))), unsafe.SliceData(rows), len(scores))
	}
	return dropCloserPortable(scores, keys, rows)
}

func insertBest[K ~uint64](best []K, open []uint64, n, limit int, more []K) int {
	if active != kernelsAVX512 || !walk512 {
		return insertBestPortable(best, open, n, limit, more)
	}
	after := n + len(more)
	keys, words := BestSize(min(limit, after))
	insertDescendingAVX512((*uint64)(unsafe.Pointer(unsafe.SliceData(best))), keys/8, unsafe.SliceData(open), words,
		(*uint64)(unsafe.Pointer(unsafe.SliceData(more))), len(more))
	return min(limit, after)
}

func linear(sums []int32, a, b float64, out []float32) {
	if active == kernelsAVX512 && walk512 {
		linearAVX512(unsafe.SliceData(sums), len(sums), a, b, unsafe.SliceData(out[:len(sums)]))
		return
	}
	linearPortable(sums, a, b, out)
}

func signLinear(sums []int32, terms []SignTerms, l *signLine, out []float32) {
	if active == kernelsAVX512 && walk512 {
		signLinearAVX512(unsafe.SliceData(sums), len(sums), (*float32)(unsafe.Pointer(unsafe.SliceData(terms[:len(sums)]))), l.less, l.a, l.b, l.c, unsafe.SliceData(out[:len(sums)]))
		return
	}
	signLinearPortable(sums, terms, l, out)
}

func atLeast(scores []float32, floor float32) int {
	if active == kernelsAVX512 && walk512 {
		return atLeastAVX512(unsafe.SliceData(scores), len(scores), floor)
	}
	return atLeastPortable(scores, floor)
}
