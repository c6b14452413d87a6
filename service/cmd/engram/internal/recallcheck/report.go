package recallcheck

import (
	"math"
	"slices"
	"time"
)

// Good is the recall below which a cue is counted as answered badly.
const Good = 0.9

// Report is what a check found.
type Report struct {
	Cues int `json:"cues"` // measured
	// Left out, since there was nothing to compare: the row that was the cue has
	// been forgotten; the exact answer went on changing; it was empty.
	Gone     int `json:"gone"`
	Unsteady int `json:"unsteady"`
	Empty    int `json:"empty"`
	// Short are those, of the measured, for which the space has fewer rows than
	// were asked for.
	Short   int      `json:"short"`
	Exact   Latency  `json:"exact"`
	Efforts []Effort `json:"efforts,omitempty"`
}

// Effort is what recalls of one width of the graph search found.
type Effort struct {
	Effort int     `json:"effort"` // 0: the server's choice
	Recall float64 `json:"recall"` // mean over the cues
	// Margin is the half width of the 95 % interval of Recall: another sample
	// would give something within it, as a rule.
	Margin float64 `json:"margin"`
	Least  float64 `json:"least"` // of a single cue
	Worst  string  `json:"worst"` // the cue that has it
	Poor   int     `json:"poor"`  // cues below Good
	Walked int     `json:"walked"`
	Latency
}

// Latency is how long recalls took, nearest rank.
type Latency struct {
	P50       time.Duration `json:"p50_ns"` // as the client sees it
	P99       time.Duration `json:"p99_ns"`
	ServerP50 time.Duration `json:"server_p50_ns"` // inside the server
	ServerP99 time.Duration `json:"server_p99_ns"`
}

// Scanned reports whether no recall walked a graph: all were scans, which are
// exact.
func (r *Report) Scanned() bool {
	return !slices.ContainsFunc(r.Efforts, func(e Effort) bool { return e.Walked > 0 })
}

// Lowest is the effort that found least; nil when nothing was measured.
func (r *Report) Lowest() *Effort {
	if r.Cues == 0 {
		return nil
	}
	lowest := &r.Efforts[0]
	for i := range r.Efforts {
		if e := &r.Efforts[i]; e.Recall < lowest.Recall {
			lowest = e
		}
	}
	return lowest
}

// summarise fills in what the shares of single cues say together.
func (e *Effort) summarise(shares []float64, names []string) {
	e.Least = 1
	for i, x := range shares {
		e.Recall += x
		if x < Good {
			e.Poor++
		}
		if i == 0 || x < e.Least {
			e.Least, e.Worst = x, names[i]
		}
	}
	e.Recall /= max(1, float64(len(shares)))
	if n := float64(len(shares)); n > 1 {
		sum := 0.0
		for _, x := range shares {
			sum += (x - e.Recall) * (x - e.Recall)
		}
		e.Margin = 1.96 * math.Sqrt(sum/(n-1)/n)
	}
}

// times are the latencies of one pass.
type times struct{ client, server []time.Duration }

func (t *times) summary() Latency {
	return Latency{
		P50: percentile(t.client, .5), P99: percentile(t.client, .99),
		ServerP50: percentile(t.server, .5), ServerP99: percentile(t.server, .99),
	}
}

// percentile is the nearest rank; 0 of nothing.
func percentile(list []time.Duration, p float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[max(0, int(math.Ceil(p*float64(len(sorted))))-1)]
}
