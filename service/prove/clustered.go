package main

import (
	"math"
	"math/rand/v2"
)

// clustered makes vectors as embeddings are, the kind that service/prove/vectors
// makes: x = unit(P(c + 0.6 g) + noise), where c is one of 200 centres of 24
// dimensions, g is normal, and P leads into the full dimension. Rows come in
// blocks, each with a source of chance of its own, so that a million of them
// need not be in memory at once and are the same each time.
type clustered struct {
	seed       uint64
	dim        int
	project    []float32 // dim × inner
	centres    []float32 // clusters × inner
	cumulative []float64 // of the clusters' shares, 1/√(1+i)
}

const (
	clusters    = 200
	inner       = 24
	withinShare = 0.6 // within a cluster; centres have 1
	noiseShare  = 0.3 // of a row's distance from its centre
	blockRows   = 4096
)

func newClustered(seed uint64, dim int) *clustered {
	g := &clustered{seed: seed, dim: dim, project: make([]float32, dim*inner), centres: make([]float32, clusters*inner), cumulative: make([]float64, clusters)}
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // data for a measurement
	for i := range g.project {
		g.project[i] = float32(r.NormFloat64() / math.Sqrt(float64(dim)))
	}
	for i := range g.centres {
		g.centres[i] = float32(r.NormFloat64())
	}
	sum := 0.0
	for i := range g.cumulative {
		sum += 1 / math.Sqrt(float64(1+i))
		g.cumulative[i] = sum
	}
	return g
}

// block makes n rows of a block of a stream, flat.
func (g *clustered) block(stream, number uint64, n int) []float32 {
	out := make([]float32, n*g.dim)
	r := rand.New(rand.NewPCG(g.seed<<8|stream, number)) //nolint:gosec // data for a measurement
	for i := range n {
		g.row(r, out[i*g.dim:(i+1)*g.dim])
	}
	return out
}

func (g *clustered) row(r *rand.Rand, to []float32) {
	u, c := r.Float64()*g.cumulative[clusters-1], 0
	for g.cumulative[c] < u {
		c++
	}
	var z [inner]float32
	for j := range z {
		z[j] = g.centres[c*inner+j] + float32(withinShare*r.NormFloat64())
	}
	deviation := noiseShare * withinShare * math.Sqrt(inner) / math.Sqrt(float64(g.dim))
	sum := 0.0
	for i := range to {
		v := float32(deviation * r.NormFloat64())
		for j, p := range g.project[i*inner : (i+1)*inner] {
			v += p * z[j]
		}
		to[i] = v
		sum += float64(v) * float64(v)
	}
	scale := float32(1 / math.Sqrt(sum))
	for i := range to {
		to[i] *= scale
	}
}
