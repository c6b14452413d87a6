package recallcheck

import (
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFound(t *testing.T) {
	exact := []row{{1, .9}, {2, .8}, {3, .7}}
	for name, c := range map[string]struct {
		exact, answer []row
		want          int
	}{
		"the same":                     {exact, exact, 3},
		"in another order":             {exact, []row{{3, .7}, {1, .9}, {2, .8}}, 3},
		"nothing":                      {exact, nil, 0},
		"nothing of nothing":           {nil, exact, 0},
		"one less":                     {exact, exact[:2], 2},
		"a worse one":                  {exact, []row{{1, .9}, {2, .8}, {4, .6}}, 2},
		"as similar as the last":       {exact, []row{{1, .9}, {2, .8}, {9, .7}}, 3},
		"the last, rounded":            {exact, []row{{1, .9}, {2, .8}, {3, .6999}}, 3},
		"another, rounded":             {exact, []row{{1, .9}, {2, .8}, {9, .69999999}}, 3},
		"another, by more":             {exact, []row{{1, .9}, {2, .8}, {9, .69999}}, 2},
		"twice the same":               {exact, []row{{1, .9}, {1, .9}, {1, .9}}, 1},
		"all alike":                    {[]row{{1, .5}, {2, .5}}, []row{{8, .5}, {9, .5}}, 2},
		"below nothing":                {[]row{{1, -.5}, {2, -.7}}, []row{{1, -.5}, {3, -.7}}, 2},
		"below nothing, worse":         {[]row{{1, -.5}, {2, -.7}}, []row{{1, -.5}, {3, -.8}}, 1},
		"no more than there are":       {exact[:2], exact, 2},
		"more as good than there were": {exact[:2], []row{{1, .9}, {2, .8}, {8, .8}, {9, .8}}, 2},
	} {
		if got := found(c.exact, c.answer); got != c.want {
			t.Errorf("%s: %d found, want %d", name, got, c.want)
		}
	}
}

// However an answer is cut out of all rows by similarity, ties broken as it
// likes, all of it is right; and what it lacks is what is counted as missing.
func TestFoundAgainstARanking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(t, "rows")
		all := make([]row, n)
		level := 10
		for i := range all {
			level -= rapid.IntRange(0, 1).Draw(t, "step") // many ties
			all[i] = row{uint64(i + 1), float32(level) / 8}
		}
		k := rapid.IntRange(1, n).Draw(t, "k")
		exact := all[:k]
		last := exact[k-1].similarity
		as := func(r row) bool { return r.similarity >= last }
		var answer []row
		right := 0
		for _, i := range rapid.Permutation(all).Draw(t, "order") {
			if len(answer) < k && rapid.Bool().Draw(t, "in") {
				answer = append(answer, i)
				if as(i) {
					right++
				}
			}
		}
		if got := found(exact, answer); got != right {
			t.Fatalf("%d found, want %d: %v of %v", got, right, answer, exact)
		}
	})
}
