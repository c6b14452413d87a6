package space

// hit is a row found, and its score.
type hit struct {
	row   uint32
	score float32
	graph bool
}

// worse orders hits: a lower score, and of equal scores the younger row (the
// contract: by similarity, then by generation).
func worse(a, b hit) bool {
	if a.score != b.score {
		return a.score < b.score
	}
	return a.row > b.row
}

// topK keeps the best k hits it is shown, as a heap with the worst on top.
type topK struct {
	k    int
	hits []hit
}

func (t *topK) reset(k int) {
	t.k, t.hits = k, t.hits[:0]
}

// floor is the score a hit must beat to matter; ok is false while there is
// room for any.
func (t *topK) floor() (score float32, ok bool) {
	if len(t.hits) < t.k {
		return 0, false
	}
	return t.hits[0].score, true
}

func (t *topK) push(h hit) {
	if len(t.hits) < t.k {
		t.hits = append(t.hits, h)
		for i := len(t.hits) - 1; i > 0; {
			p := (i - 1) / 2
			if !worse(t.hits[i], t.hits[p]) {
				break
			}
			t.hits[i], t.hits[p] = t.hits[p], t.hits[i]
			i = p
		}
		return
	}
	if worse(h, t.hits[0]) {
		return
	}
	t.hits[0] = h
	t.sink(0, len(t.hits))
}

func (t *topK) sink(i, n int) {
	for {
		c := 2*i + 1
		if c >= n {
			return
		}
		if c+1 < n && worse(t.hits[c+1], t.hits[c]) {
			c++
		}
		if !worse(t.hits[c], t.hits[i]) {
			return
		}
		t.hits[i], t.hits[c] = t.hits[c], t.hits[i]
		i = c
	}
}

// sorted empties the heap into its array, best first.
func (t *topK) sorted() []hit {
	for n := len(t.hits) - 1; n > 0; n-- {
		t.hits[0], t.hits[n] = t.hits[n], t.hits[0]
		t.sink(0, n)
	}
	return t.hits
}
