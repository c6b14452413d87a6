//go:build !amd64

package vector

func unmarkedLinks(list []uint32, marks []uint64, out []uint32) (found, done int) {
	return unmarkedPortable(list, marks, out)
}

func keysAbove[K ~uint64](scores []float32, rows []uint32, least K, out []K) int {
	return keysAbovePortable(scores, rows, least, out)
}

func dropCloser[K ~uint64](scores []float32, keys []K, rows []uint32) int {
	return dropCloserPortable(scores, keys, rows)
}

func insertBest[K ~uint64](best []K, open []uint64, n, limit int, more []K) int {
	return insertBestPortable(best, open, n, limit, more)
}

func linear(sums []int32, a, b float64, out []float32) { linearPortable(sums, a, b, out) }

func signLinear(sums []int32, terms []SignTerms, l *signLine, out []float32) {
	signLinearPortable(sums, terms, l, out)
}

func atLeast(scores []float32, floor float32) int { return atLeastPortable(scores, floor) }
