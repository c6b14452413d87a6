package space

import (
	"math"
	"math/rand/v2"
)

// source draws vectors of one kind.
type source struct {
	name string
	dim  int
	make func(r *rand.Rand) func() []float32
	// coarse says that 7-bit codes may be too coarse for these rows.
	coarse bool
}

// sources are what the dot product is tried on: rows far from the origin and
// around it, of components that are none below zero, and with norms that differ.
var sources = []source{
	{"normal, with a mean", 16, func(r *rand.Rand) func() []float32 { return normal(r, 16, 3) }, false},
	{"normal", 16, func(r *rand.Rand) func() []float32 { return normal(r, 16, 0) }, false},
	{"half of normal", 32, func(r *rand.Rand) func() []float32 {
		next := normal(r, 32, 0)
		return func() []float32 {
			v := next()
			for i, x := range v {
				v[i] = max(0, x)
			}
			return v
		}
	}, false},
	{"normal, norms spread", 64, func(r *rand.Rand) func() []float32 { return spread(r, .5, normal(r, 64, 0)) }, false},
	{"clustered", 48, func(r *rand.Rand) func() []float32 { return clustered(r, 48) }, false},
	{"clustered, norms spread", 48, func(r *rand.Rand) func() []float32 { return spread(r, .5, clustered(r, 48)) }, false},
	{"clustered, norms spread wide", 48, func(r *rand.Rand) func() []float32 { return spread(r, 1, clustered(r, 48)) }, true},
}

// normal draws components around a mean.
func normal(r *rand.Rand, dim int, mean float64) func() []float32 {
	return func() []float32 {
		v := make([]float32, dim)
		for i := range v {
			v[i] = float32(r.NormFloat64() + mean)
		}
		return v
	}
}

// clustered draws unit vectors as models give them: in clusters of unequal size,
// of few directions, and a little of all others.
func clustered(r *rand.Rand, dim int) func() []float32 {
	const clusters, inner, within, noise = 200, 24, 0.6, 0.3
	into, centres := make([]float64, dim*inner), make([]float64, clusters*inner)
	for i := range into {
		into[i] = r.NormFloat64() / math.Sqrt(float64(dim))
	}
	for i := range centres {
		centres[i] = r.NormFloat64()
	}
	return func() []float32 {
		u := r.Float64() // the k-th cluster has a share of about 1/√k
		centre := centres[int(u*u*clusters)*inner:]
		var z [inner]float64
		for i := range z {
			z[i] = centre[i] + within*r.NormFloat64()
		}
		v, sum := make([]float32, dim), 0.0
		for i := range v {
			x := noise * within * math.Sqrt(inner/float64(dim)) * r.NormFloat64()
			for j, y := range z {
				x += into[i*inner+j] * y
			}
			v[i] = float32(x)
			sum += x * x
		}
		return scaled(v, 1/math.Sqrt(sum))
	}
}

// spread multiplies what next draws by log-normal factors.
func spread(r *rand.Rand, sigma float64, next func() []float32) func() []float32 {
	return func() []float32 { return scaled(next(), math.Exp(sigma*r.NormFloat64())) }
}

func scaled(v []float32, by float64) []float32 {
	for i := range v {
		v[i] *= float32(by)
	}
	return v
}
