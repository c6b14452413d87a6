package hnsw

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A beam holds the best of what was put in, in order, and hands out each of
// them once, best first, whatever falls off in between.
func TestBeam(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 200).Draw(t, "limit")
		var b beam
		b.begin(rapid.IntRange(1, 300).Draw(t, "limit before"))
		b.insert([]key{1})
		b.begin(limit)
		open, model := map[key]bool{}, []key(nil)
		keys := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)).Perm(rapid.IntRange(0, 1000).Draw(t, "keys"))
		step := 0
		expand := func() {
			want := slices.IndexFunc(model, func(k key) bool { return open[k] })
			got := b.best()
			if got != want {
				t.Fatalf("best open is at %d, want %d", got, want)
			}
			if got >= 0 {
				open[model[got]] = false
				b.close(got)
			}
		}
		for _, k := range keys {
			if k := key(k + 1); k > b.worst() {
				b.insert([]key{k})
				model, open[k] = append(model, k), true
				slices.SortFunc(model, func(a, b key) int { return int(b) - int(a) })
				model = model[:min(len(model), limit)]
			}
			if step++; step%3 == 0 {
				expand()
			}
			if !slices.Equal(b.keys(), model) {
				t.Fatalf("beam holds %v, want %v", b.keys(), model)
			}
		}
		for range limit + 1 {
			expand()
		}
		if b.best() >= 0 {
			t.Fatal("something is open still")
		}
	})
}
