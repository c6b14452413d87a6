package vector

import (
	"unsafe"

	"github.com/klauspost/cpuid/v2"
)

//go:generate go -C asm run . -out ../kernels_amd64.s -stubs ../stubs_amd64.go -pkg vector

// availableKernels lists what this processor, and the operating system in what
// it saves at a context switch, supports; from narrow to wide.
func availableKernels() []kernelSet {
	sets := []kernelSet{kernelsPortable}
	if cpuid.CPU.Supports(cpuid.AVX, cpuid.AVX2, cpuid.FMA3) {
		sets = append(sets, kernelsAVX2)
		if cpuid.CPU.Supports(cpuid.AVX512F, cpuid.BMI2) {
			sets = append(sets, kernelsAVX512)
		}
	}
	return sets
}

// groupRows is how many rows the grouped kernels take at a time, 0 if there
// are none.
func groupRows() int {
	if active == kernelsPortable {
		return 0
	}
	return 4
}

func dot(a, b []float32) float32 {
	switch active {
	case kernelsAVX512:
		return dotAVX512(unsafe.SliceData(a), unsafe.SliceData(b), len(a))
	case kernelsAVX2:
		return dotAVX2(unsafe.SliceData(a), unsafe.SliceData(b), len(a))
	default:
		return dotPortable(a, b)
	}
}

func squaredEuclidean(a, b []float32) float32 {
	switch active {
	case kernelsAVX512:
		return squaredEuclideanAVX512(unsafe.SliceData(a), unsafe.SliceData(b), len(a))
	case kernelsAVX2:
		return squaredEuclideanAVX2(unsafe.SliceData(a), unsafe.SliceData(b), len(a))
	default:
		return squaredEuclideanPortable(a, b)
	}
}

// dotGroups works on a multiple of groupRows rows, at least one group.
func dotGroups(query []float32, at []*float32, out []float32) {
	groups := len(at) / 4
	if active == kernelsAVX512 {
		dotGroupsAVX512(unsafe.SliceData(query), &at[0], groups, len(query), &out[0])
		return
	}
	dotGroupsAVX2(unsafe.SliceData(query), &at[0], groups, len(query), &out[0])
}

func squaredEuclideanGroups(query []float32, at []*float32, out []float32) {
	groups := len(at) / 4
	if active == kernelsAVX512 {
		squaredEuclideanGroupsAVX512(unsafe.SliceData(query), &at[0], groups, len(query), &out[0])
		return
	}
	squaredEuclideanGroupsAVX2(unsafe.SliceData(query), &at[0], groups, len(query), &out[0])
}
