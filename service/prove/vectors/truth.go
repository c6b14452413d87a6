package main

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/engram-stream/engram/service/internal/vector"
)

// truths gives, for each query, the rows that are truly nearest, best first.
// The project's kernels do it, which are tested against plain arithmetic; a
// few queries are computed plainly here too, and have to agree.
func truths(d *dataset, base, query []float32) ([]uint32, error) {
	n := len(query) / d.dim
	out := make([]uint32, n*nearest)
	var wg sync.WaitGroup
	turn := make(chan struct{}, 2)
	const together = 8 // queries that share a block of rows while it is in the cache
	for first := 0; first < n; first += together {
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			truthsOf(d, base, query, first, min(first+together, n), out)
		})
	}
	wg.Wait()
	for q := 0; q < n; q += max(1, n/4) {
		if err := agrees(d, base, query[q*d.dim:(q+1)*d.dim], out[q*nearest:(q+1)*nearest]); err != nil {
			return nil, fmt.Errorf("the truth of query %d: %w", q, err)
		}
	}
	return out, nil
}

type neighbour struct {
	row   uint32
	score float64 // smaller is nearer
}

func truthsOf(d *dataset, base, query []float32, first, end int, out []uint32) {
	const block = 256
	var scores [block]float32
	best := make([][]neighbour, end-first)
	rows := len(base) / d.dim
	for at := 0; at < rows; at += block {
		n := min(block, rows-at)
		part := base[at*d.dim : (at+n)*d.dim]
		for q := first; q < end; q++ {
			v, sign := query[q*d.dim:(q+1)*d.dim], float32(1)
			if d.metric == "ip" {
				vector.DotRows(v, part, scores[:n])
				sign = -1
			} else {
				vector.SquaredEuclideanRows(v, part, scores[:n])
			}
			for i, score := range scores[:n] {
				best[q-first] = keep(best[q-first], neighbour{uint32(at + i), float64(sign * score)}) //nolint:gosec // rows are few
			}
		}
	}
	for q, list := range best {
		for i, x := range list {
			out[(first+q)*nearest+i] = x.row
		}
	}
}

// keep holds the nearest ones, in order.
func keep(list []neighbour, x neighbour) []neighbour {
	if len(list) == nearest && x.score >= list[nearest-1].score {
		return list
	}
	at, _ := slices.BinarySearchFunc(list, x, func(a, b neighbour) int { return cmp.Compare(a.score, b.score) })
	if len(list) == nearest {
		list = list[:nearest-1]
	}
	return slices.Insert(list, at, x)
}

// agrees compares with plain arithmetic in double precision. Rows as good as
// the last one may stand for each other.
func agrees(d *dataset, base, query []float32, truth []uint32) error {
	score := func(row int) float64 {
		sum := 0.0
		for j, v := range base[row*d.dim : (row+1)*d.dim] {
			if d.metric == "ip" {
				sum -= float64(v) * float64(query[j])
			} else {
				sum += (float64(v) - float64(query[j])) * (float64(v) - float64(query[j]))
			}
		}
		return sum
	}
	var list []neighbour
	for row := range len(base) / d.dim {
		list = keep(list, neighbour{uint32(row), score(row)}) //nolint:gosec // rows are few
	}
	last := list[len(list)-1].score
	for _, row := range truth {
		if got := score(int(row)); got > last+1e-5*max(1, last) {
			return fmt.Errorf("row %d is at %g and the last of the true ones at %g", row, got, last)
		}
	}
	return nil
}
