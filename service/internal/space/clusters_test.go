package space

import "math/rand/v2"

// clustersOf returns what makes rows around so many centres, which are normal;
// spread is the deviation of a row from its own, in each component.
func clustersOf(rng *rand.Rand, dim, clusters int, spread float64) func(n int) [][]float32 {
	centres := make([][]float32, clusters)
	point := func(spread float64, from []float32) []float32 {
		v := make([]float32, dim)
		for j := range v {
			v[j] = float32(rng.NormFloat64() * spread)
			if from != nil {
				v[j] += from[j]
			}
		}
		return v
	}
	for i := range centres {
		centres[i] = point(1, nil)
	}
	return func(n int) [][]float32 {
		out := make([][]float32, n)
		for i := range out {
			out[i] = point(spread, centres[rng.IntN(clusters)])
		}
		return out
	}
}
