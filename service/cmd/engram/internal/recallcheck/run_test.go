package recallcheck

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// script answers recalls: what it is given of the cue's text, how, and how
// often that cue was asked for exactly.
type script struct {
	mu      sync.Mutex
	exact   map[string]int
	under   atomic.Int32
	most    atomic.Int32
	answers func(text string, how How, n int) (*engram.Recall, error)
}

func (s *script) ask(_ context.Context, cue engram.Cue, how How) (*engram.Recall, error) {
	n := s.under.Add(1)
	defer s.under.Add(-1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
	var r v1.RecallRequest
	cue(&r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.exact == nil {
		s.exact = map[string]int{}
	}
	if how.Exact {
		s.exact[r.GetText()]++
	}
	return s.answers(r.GetText(), how, s.exact[r.GetText()])
}

// of is an answer with rows of these generations, the lower the nearer.
func of(generations ...uint64) *engram.Recall {
	r := &engram.Recall{Took: time.Millisecond, Visited: 5}
	for _, g := range generations {
		r.Results = append(r.Results, engram.Result{Generation: g, Similarity: 1 / float32(g)})
	}
	return r
}

func texts(list ...string) (cues []Cue) {
	for _, x := range list {
		cues = append(cues, Cue{engram.ByText(x), x})
	}
	return cues
}

func TestRun(t *testing.T) {
	var changing uint64
	s := &script{answers: func(text string, how How, n int) (*engram.Recall, error) {
		switch {
		case text == "gone":
			return nil, &engram.Error{Code: "not_found", Reason: "OBSERVATION_NOT_FOUND"}
		case text == "empty":
			return of(), nil
		case text == "short":
			return of(1, 2), nil
		case text == "forgotten" && how.Exact && n == 1:
			return of(1, 2, 3), nil
		case text == "forgotten": // row 2 went between the first answer and the second
			return of(1, 3, 4), nil
		case text == "changing" && how.Exact:
			changing += 10
			return of(changing+1, changing+2, changing+3), nil
		case text == "changing":
			return of(9999), nil
		case how.Exact || how.Effort == 80:
			return of(1, 2, 3), nil
		case text == "hard":
			return of(2), nil
		}
		r := of(1, 2, 3)
		r.Visited = 0
		return r, nil
	}}
	var asked atomic.Int32
	plan := Plan{Efforts: []int{0, 80}, Limit: 3, Concurrency: 2, Asked: func() { asked.Add(1) }}
	r, err := Run(t.Context(), plan, texts("easy", "hard", "gone", "empty", "short", "forgotten", "changing"), s.ask)
	if err != nil {
		t.Fatal(err)
	}
	if r.Cues != 4 || r.Gone != 1 || r.Empty != 1 || r.Unsteady != 1 || r.Short != 1 {
		t.Errorf("%+v", r)
	}
	a, b := r.Efforts[0], r.Efforts[1]
	if want := (3 + 1.0/3) / 4; a.Recall < want-1e-9 || a.Recall > want+1e-9 || a.Worst != "hard" || a.Poor != 1 || a.Walked != 3 {
		t.Errorf("the server's effort: %+v", a)
	}
	if b.Effort != 80 || b.Recall != 1 || b.Least != 1 || b.Poor != 0 || b.Margin != 0 || b.Walked != 4 {
		t.Errorf("effort 80: %+v", b)
	}
	if a.Margin < .3 || a.Margin > .35 { // 1.96·(1/3)/√4
		t.Errorf("a margin of %v", a.Margin)
	}
	if r.Lowest() != &r.Efforts[0] || r.Scanned() {
		t.Error("the lowest is another, or nothing was walked")
	}
	if r.Exact.ServerP99 != time.Millisecond || r.Exact.P50 <= 0 || a.P99 < a.P50 {
		t.Errorf("latencies %+v and %+v", r.Exact, a.Latency)
	}
	if s.exact["easy"] != 2 { // once to warm up
		t.Errorf("a complete answer is asked for %d times exactly", s.exact["easy"])
	}
	if most := s.most.Load(); most > 2 {
		t.Errorf("%d recalls at a time", most)
	}
	if n := asked.Load(); n != 6*3 {
		t.Errorf("told of %d recalls, want 18", n)
	}
}

func TestRunOfNothing(t *testing.T) {
	s := &script{answers: func(string, How, int) (*engram.Recall, error) { return of(), nil }}
	for _, cues := range [][]Cue{nil, texts("a", "b")} {
		r, err := Run(t.Context(), Plan{Efforts: []int{0}, Limit: 3, Concurrency: 1}, cues, s.ask)
		if err != nil || r.Cues != 0 || r.Lowest() != nil || r.Empty != len(cues) {
			t.Errorf("%+v %v", r, err)
		}
	}
}

// An error ends a check at once, and says for what.
func TestRunFails(t *testing.T) {
	broken := errors.New("broken")
	for name, fails := range map[string]func(text string, how How, n int) bool{
		"warming up":     func(string, How, int) bool { return true },
		"exactly":        func(text string, how How, _ int) bool { return text == "b" && how.Exact },
		"with an effort": func(text string, how How, _ int) bool { return text == "b" && !how.Exact },
		"again":          func(text string, how How, n int) bool { return how.Exact && text == "b" && n > 1 },
	} {
		calls := 0
		s := &script{answers: func(text string, how How, n int) (*engram.Recall, error) {
			calls++
			if fails(text, how, n) {
				return nil, broken
			}
			if how.Exact {
				return of(1, 2), nil
			}
			return of(1), nil
		}}
		var list []string
		for i := range 100 {
			list = append(list, fmt.Sprint("c", i))
		}
		_, err := Run(t.Context(), Plan{Efforts: []int{0}, Limit: 3, Concurrency: 1}, texts(append([]string{"a", "b"}, list...)...), s.ask)
		if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "ask for ") {
			t.Errorf("%s: %v", name, err)
		}
		if calls > 3*102 {
			t.Errorf("%s: %d calls", name, calls)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &script{answers: func(string, How, int) (*engram.Recall, error) { return of(1), nil }}
	if _, err := Run(ctx, Plan{Efforts: []int{0}, Limit: 3, Concurrency: 1}, texts("a"), s.ask); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestPercentile(t *testing.T) {
	var list []time.Duration
	for i := range 100 {
		list = append(list, time.Duration(100-i))
	}
	for p, want := range map[float64]time.Duration{0: 1, .5: 50, .99: 99, 1: 100} {
		if got := percentile(list, p); got != want {
			t.Errorf("p%v is %d, want %d", 100*p, got, want)
		}
	}
	if percentile(nil, .5) != 0 || percentile(list[:1], .01) != 100 {
		t.Error("of nothing or of one")
	}
}
