package vector

import (
	"unsafe"

	"github.com/klauspost/cpuid/v2"
)

// availableKernels: every 64-bit Arm has NEON; the products of bytes came with
// Armv8.2 (FEAT_DotProd).
func availableKernels() []kernelSet {
	sets := []kernelSet{kernelsPortable, kernelsNEON}
	if cpuid.CPU.Supports(cpuid.ASIMDDP) {
		sets = append(sets, kernelsNEONDot)
	}
	return sets
}

func dot(a, b []float32) float32 {
	if active == kernelsPortable {
		return dotPortable(a, b)
	}
	return dotNEON(unsafe.SliceData(a), unsafe.SliceData(b), len(a))
}

func squaredEuclidean(a, b []float32) float32 {
	if active == kernelsPortable {
		return squaredEuclideanPortable(a, b)
	}
	return squaredEuclideanNEON(unsafe.SliceData(a), unsafe.SliceData(b), len(a))
}

// They work on two vectors of n floats, and are in kernels_arm64.s.

//go:noescape
func dotNEON(a, b *float32, n int) float32

//go:noescape
func squaredEuclideanNEON(a, b *float32, n int) float32

// groupRows reports 0: there is no kernel here that takes several rows.
func groupRows() int { return 0 }

func dotGroups(_ []float32, _ []*float32, _ []float32) {
	panic("vector: no grouped kernel on this architecture")
}

func squaredEuclideanGroups(_ []float32, _ []*float32, _ []float32) {
	panic("vector: no grouped kernel on this architecture")
}
