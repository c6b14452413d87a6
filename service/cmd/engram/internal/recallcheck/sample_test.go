package recallcheck

import (
	"context"
	"errors"
	"fmt"
	"testing"

	engram "github.com/engram-stream/engram/sdk/go"
)

// shelf is a space by the generations of its rows, rising.
type shelf struct {
	rows  []engram.Stored
	calls int
}

func newShelf(generations ...uint64) *shelf {
	s := &shelf{}
	for _, g := range generations {
		s.rows = append(s.rows, engram.Stored{Observation: engram.Observation{ID: fmt.Sprint(g)}, Generation: g})
	}
	return s
}

func (s *shelf) list(_ context.Context, since uint64, n int) (p engram.Page, err error) {
	s.calls++
	for _, r := range s.rows {
		if r.Generation > since && len(p.Observations) < n {
			p.Observations = append(p.Observations, r)
		}
	}
	return p, nil
}

func (s *shelf) sample(t *testing.T, generation uint64, n int, seed uint64) []Cue {
	t.Helper()
	cues, err := Sample(t.Context(), s.list, generation, uint64(len(s.rows)), n, seed)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range cues {
		if seen[c.Name] {
			t.Fatalf("%s is there twice", c.Name)
		}
		seen[c.Name] = true
	}
	return cues
}

// Each row is as likely as any other, also the one behind a gap.
func TestSampleIsFair(t *testing.T) {
	dense := []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for g := uint64(60); g < 90; g++ {
		dense = append(dense, g)
	}
	few := dense[:12] // so few that all are listed
	for name, c := range map[string]struct {
		rows []uint64
		upTo uint64
		n    int
	}{"guessed": {dense, 100, 4}, "listed, few": {few, 100, 4}, "listed, sparse": {dense, 10_000, 4}} {
		t.Run(name, func(t *testing.T) {
			const times = 2000
			count := map[string]int{}
			for seed := range uint64(times) {
				cues := newShelf(c.rows...).sample(t, c.upTo, c.n, seed)
				if len(cues) != c.n {
					t.Fatalf("%d rows of %d", len(cues), c.n)
				}
				for _, cue := range cues {
					count[cue.Name]++
				}
			}
			// Seeds are fixed: nothing here is left to chance.
			want := float64(times*c.n) / float64(len(c.rows))
			for _, g := range c.rows {
				if got := float64(count[fmt.Sprint(g)]); got < .75*want || got > 1.25*want {
					t.Errorf("row %d is chosen %v times, want about %.0f", g, got, want)
				}
			}
		})
	}
}

func TestSample(t *testing.T) {
	if got := newShelf().sample(t, 7, 5, 1); len(got) != 0 {
		t.Errorf("of an empty space: %v", got)
	}
	if got := newShelf(2, 3, 9).sample(t, 9, 5, 1); len(got) != 3 {
		t.Errorf("of three rows: %v", got)
	}
	// What is kept from recall is not asked for, by either way.
	for _, n := range []int{2, 90} {
		s := newShelf()
		for g := range uint64(100) {
			s.rows = append(s.rows, engram.Stored{Observation: engram.Observation{ID: "bad"}, Generation: g + 1, Quarantine: "why"})
			if g%2 == 0 {
				s.rows[g].Observation.ID, s.rows[g].Quarantine = fmt.Sprint(g), ""
			}
		}
		got := s.sample(t, 100, n, 1)
		if len(got) != min(n, 50) {
			t.Errorf("%d rows of %d", len(got), n)
		}
		for _, c := range got {
			if c.Name == "bad" {
				t.Error("a quarantined row is asked for")
			}
		}
	}
	// The same seed gives the same rows; listing does not go through the space
	// when guessing is cheaper.
	rows := make([]uint64, 5000)
	for i := range rows {
		rows[i] = uint64(i + 1)
	}
	s := newShelf(rows...)
	a, b, c := s.sample(t, 5000, 10, 7), s.sample(t, 5000, 10, 7), s.sample(t, 5000, 10, 8)
	if fmt.Sprint(namesOf(a)) != fmt.Sprint(namesOf(b)) || fmt.Sprint(namesOf(a)) == fmt.Sprint(namesOf(c)) {
		t.Error("the seed does not choose the rows")
	}
	if s.calls > 100 {
		t.Errorf("%d calls for 30 rows", s.calls)
	}
	// Rows that went since they were counted: guessing is given up.
	gone := newShelf(3, 4000)
	got, err := Sample(t.Context(), gone.list, 5000, 5000, 10, 1)
	if err != nil || len(got) != 2 {
		t.Errorf("%v %v", got, err)
	}
	broken := errors.New("broken")
	if _, err := Sample(t.Context(), func(context.Context, uint64, int) (engram.Page, error) { return engram.Page{}, broken }, 9, 9, 3, 1); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func namesOf(cues []Cue) (out []string) {
	for _, c := range cues {
		out = append(out, c.Name)
	}
	return out
}
