package hnsw

import "fmt"

// fate is how far a row has come. It never goes back.
type fate uint8

const (
	unborn   fate = iota
	arriving      // an insert was called for it
	there         // that insert has returned
	leaving       // a Remove that takes it out was called
	removed       // that Remove has returned
)

// asked is one search beside whatever happens to the graph, and what is known
// of its rows.
type asked struct {
	g      *Graph
	f      *flatScorer
	q      Query
	ef     int
	accept func(uint32) bool
	before []fate // no later than it began
	err    error  // the promise that it broke
	found  int
}

// search runs it and checks what it promises, when after tells the fates that
// rows have by then.
func (a *asked) search(after func() []fate) {
	var scratch Scratch
	bound := int(a.g.Bound())
	got := a.g.Search(a.q, a.ef, a.accept, &scratch)
	a.found = len(got)
	err := a.promised(got, min(a.ef, bound), &scratch, after())
	if err != nil {
		a.err = fmt.Errorf("search of breadth %d: %w", a.ef, err)
	}
}

// promised checks that what a search returns is well-formed, and that every row
// of it was handed to the graph by now and not out of it before the search began.
// It had room for ef rows, or as many as there were row numbers when it began. If
// it returns fewer, nothing was left to be found: it has all that it accepts of
// the rows that were there throughout.
func (a *asked) promised(got []Candidate, room int, scratch *Scratch, after []fate) error {
	if scratch.Exhausted() {
		return fmt.Errorf("exhausted after %d rows", scratch.Visits())
	}
	if err := wellFormed(got, a.f, a.q, a.accept); err != nil {
		return err
	}
	if most := min(a.ef, int(a.g.Bound())); len(got) > most {
		return fmt.Errorf("%d rows are returned, at most %d", len(got), most)
	}
	found := make([]bool, len(after))
	for i, c := range got {
		if after[c.Row] == unborn || a.before[c.Row] == removed {
			return fmt.Errorf("row %d is returned; its fate was %d before and is %d after", c.Row, a.before[c.Row], after[c.Row])
		}
		if i > 0 && got[i-1].Score == c.Score && got[i-1].Row > c.Row {
			return fmt.Errorf("row %d comes before row %d, as near", got[i-1].Row, c.Row)
		}
		found[c.Row] = true
	}
	if len(got) >= room {
		return nil
	}
	for row, f := range after {
		steady := f == there && a.before[row] == there && (a.accept == nil || a.accept(uint32(row)))
		if steady && !found[row] {
			return fmt.Errorf("row %d is missing, one of %d found, which was there throughout", row, len(got))
		}
	}
	return nil
}
