//go:build !amd64 && !arm64

package vector

func availableKernels() []kernelSet { return []kernelSet{kernelsPortable} }

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
