package hnsw

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
	"os"
)

func TestExp(t *testing.T) {
	if os.Getenv("EXP") == "" {
		t.Skip()
	}
	const n, dim, rounds, step = 3000, 32, 10, 600
	for _, draw := range []string{"mixture", "uniform"} {
		for v := range 3 {
			variant = v
			rng := rand.New(rand.NewPCG(1, 5))
			total := n + rounds*step
			var all []float32
			if draw == "mixture" {
				all = mixture(rng, total+200, dim)
			} else {
				all = uniform(rng, total+200, dim)
			}
			f := newFlatScorer(metrics[2], dim, all[:total*dim])
			queries := all[total*dim:]
			g := New(Config{}, f)
			var live []uint32
			next := uint32(0)
			for range n {
				g.Insert(next)
				live = append(live, next)
				next++
			}
			start := time.Now()
			for r := range rounds {
				rng.Shuffle(len(live), func(i, j int) { live[i], live[j] = live[j], live[i] })
				dead := map[uint32]bool{}
				for _, x := range live[:step] {
					dead[x] = true
				}
				live = live[step:]
				if got := g.Remove(func(r uint32) bool { return dead[r] }); got != step {
					t.Fatal(got)
				}
				if err := g.Check(); err != nil {
					t.Fatal(err)
				}
				for range step {
					g.Insert(next)
					live = append(live, next)
					next++
				}
				if err := g.Check(); err != nil {
					t.Fatal(err)
				}
				if r == 9 || r == 4 {
					alive := map[uint32]bool{}
					for _, x := range live {
						alive[x] = true
					}
					acc := func(r uint32) bool { return alive[r] }
					fresh := New(Config{}, f)
					for _, x := range live {
						fresh.Insert(x)
					}
					for _, ef := range []int{10, 20, 64} {
						a, va := recall(t, g, f, queries, 10, ef, acc)
						b, vb := recall(t, fresh, f, queries, 10, ef, acc)
						fmt.Printf("%s variant %d round %d ef %d: %.4f (%.0f) fresh %.4f (%.0f) links %d fresh %d  %v\n", draw, v, r, ef, a, va, b, vb, g.Stats().Links/len(live), fresh.Stats().Links/len(live), time.Since(start))
					}
				}
			}
		}
	}
}
