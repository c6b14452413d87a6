package recallcheck

import (
	"context"
	"math/rand/v2"

	engram "github.com/engram-stream/engram/sdk/go"
)

const (
	// pageRows is how many rows are listed at a time.
	pageRows = 1000
	// sparse is how few of the generations may have a row before listing all
	// rows is cheaper than guessing.
	sparse = 0.05
)

// Lister lists at most n rows of generations above since, at one generation,
// without their vectors.
type Lister func(ctx context.Context, since uint64, n int) (engram.Page, error)

// Sample chooses n rows of a space, each as likely as any other, or all of them
// if there are fewer, as cues that leave the row itself out. rows is how many
// the space has at generation. Rows kept from recall are not chosen.
//
// Generations that have a row are dense as a rule, so that a row is found by
// guessing its generation: what is not one is thrown again rather than rounded
// up, which would prefer rows behind gaps.
func Sample(ctx context.Context, list Lister, generation, rows uint64, n int, seed uint64) ([]Cue, error) {
	rng := rand.New(rand.NewPCG(seed, 0))
	if rows == 0 {
		return nil, nil
	}
	if rows <= 4*uint64(n) || float64(rows) < sparse*float64(generation) {
		return reservoir(ctx, list, n, rng)
	}
	chosen := make(map[uint64]bool, n)
	cues := make([]Cue, 0, n)
	// Bounded: rows that came or went since they were counted may make guesses
	// worse than they should be.
	for range 8 * int(float64(n)/sparse) {
		if len(cues) == n {
			return cues, nil
		}
		g := rng.Uint64N(generation) + 1
		if chosen[g] {
			continue
		}
		page, err := list(ctx, g-1, 1)
		if err != nil {
			return nil, err
		}
		if len(page.Observations) == 0 || page.Observations[0].Generation != g {
			continue
		}
		chosen[g] = true
		if s := &page.Observations[0]; s.Quarantine == "" {
			cues = append(cues, cueOf(s))
		}
	}
	return reservoir(ctx, list, n, rng)
}

func cueOf(s *engram.Stored) Cue { return Cue{engram.ByID(s.ID), s.ID} }

// reservoir goes through all rows and keeps n of them (Vitter's algorithm R).
func reservoir(ctx context.Context, list Lister, n int, rng *rand.Rand) (cues []Cue, err error) {
	seen := 0
	for since := uint64(0); ; {
		page, err := list(ctx, since, pageRows)
		if err != nil {
			return nil, err
		}
		if len(page.Observations) == 0 {
			return cues, nil
		}
		for i := range page.Observations {
			s := &page.Observations[i]
			since = s.Generation
			if s.Quarantine != "" {
				continue
			}
			seen++
			if len(cues) < n {
				cues = append(cues, cueOf(s))
			} else if at := rng.IntN(seen); at < n {
				cues[at] = cueOf(s)
			}
		}
	}
}
