package recallcheck

import engram "github.com/engram-stream/engram/sdk/go"

// rounding is by how much, relative to it, two similarities of the same row may
// differ: float32 sums of other kernels are of another order.
const rounding = 1e-6

// row is what has to be remembered of a result.
type row struct {
	generation uint64
	similarity float32
}

func rowsOf(r *engram.Recall) []row {
	out := make([]row, len(r.Results))
	for i, x := range r.Results {
		out[i] = row{x.Generation, x.Similarity}
	}
	return out
}

// found counts how many of the nearest rows, as the exact answer has them, an
// answer holds. A row as similar as the last of them counts as one of them; a
// row that is there twice counts once.
func found(exact, answer []row) int {
	if len(exact) == 0 {
		return 0
	}
	nearest := make(map[uint64]bool, len(exact))
	for _, r := range exact {
		nearest[r.generation] = true
	}
	last := exact[len(exact)-1].similarity
	least := last - rounding*max(last, -last)
	seen := make(map[uint64]bool, len(answer))
	hits := 0
	for _, r := range answer {
		if !seen[r.generation] && (nearest[r.generation] || r.similarity >= least) {
			hits++
		}
		seen[r.generation] = true
	}
	return min(hits, len(exact))
}
