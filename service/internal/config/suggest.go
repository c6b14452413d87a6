package config

import (
	"fmt"
	"strings"
)

// didYouMean is a hint at the known name that is nearest to the unknown one,
// or nothing when none is near.
func didYouMean(unknown string, known []string) string {
	best, least := "", len(unknown)/3+1
	for _, k := range known {
		if d := distance(unknown, k); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		// Maybe it is in another section.
		last := unknown[strings.LastIndexByte(unknown, '.')+1:]
		for _, k := range known {
			if strings.HasSuffix(k, "."+last) {
				best = k
				break
			}
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// distance is the number of insertions, deletions and replacements of bytes
// that turn a into b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			row[j+1] = min(cost, above+1, row[j]+1)
			diagonal = above
		}
	}
	return row[len(b)]
}
