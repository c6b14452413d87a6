package vector

import "os"

// EnvKernels is the environment variable that forces a set of kernels. A name
// that is unknown, or needs instructions this processor lacks, is ignored, and
// [Kernels] tells what was taken instead.
const EnvKernels = "ENGRAM_KERNELS"

// kernelSet names an implementation of the distance functions. The functions
// switch on it rather than call through function variables, because arguments
// of an indirect call escape to the heap and those of a direct one need not.
type kernelSet uint8

const (
	kernelsPortable kernelSet = iota
	kernelsAVX2
	kernelsAVX512
	kernelsNEON
	kernelsNEONDot
)

// active is written before main starts, and by tests; never concurrently with
// its use.
var active = chooseKernels(os.Getenv(EnvKernels))

// String gives the name that ENGRAM_KERNELS takes.
func (k kernelSet) String() string {
	switch k {
	case kernelsAVX2:
		return "avx2"
	case kernelsAVX512:
		return "avx512"
	case kernelsNEON:
		return "neon"
	case kernelsNEONDot:
		return "neon-dot"
	default:
		return "portable"
	}
}

// Kernels names the distance kernels in use: "portable", "avx2", "avx512",
// "neon" or "neon-dot".
func Kernels() string { return active.String() }

// chooseKernels takes the forced set if it is available and the widest
// available one otherwise. availableKernels lists from narrow to wide.
func chooseKernels(forced string) kernelSet {
	available := availableKernels()
	for _, k := range available {
		if k.String() == forced {
			return k
		}
	}
	return available[len(available)-1]
}
