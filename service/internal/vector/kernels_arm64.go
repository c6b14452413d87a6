package vector

import "github.com/klauspost/cpuid/v2"

// availableKernels: every 64-bit Arm has NEON; the products of bytes came with
// Armv8.2 (FEAT_DotProd).
func availableKernels() []kernelSet {
	sets := []kernelSet{kernelsPortable, kernelsNEON}
	if cpuid.CPU.Supports(cpuid.ASIMDDP) {
		sets = append(sets, kernelsNEONDot)
	}
	return sets
}

func dot(a, b []float32) float32 { return dotPortable(a, b) }

func squaredEuclidean(a, b []float32) float32 { return squaredEuclideanPortable(a, b) }

// groupRows reports 0: there is no kernel here that takes several rows.
func groupRows() int { return 0 }

func dotGroups(_ []float32, _ []*float32, _ []float32) {
	panic("vector: no grouped kernel on this architecture")
}

func squaredEuclideanGroups(_ []float32, _ []*float32, _ []float32) {
	panic("vector: no grouped kernel on this architecture")
}
