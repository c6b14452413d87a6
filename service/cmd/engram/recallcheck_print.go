package main

import (
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/engram-stream/engram/service/cmd/engram/internal/recallcheck"
)

// recallChecked is what the recall-check verb prints as JSON.
type recallChecked struct {
	Space        string `json:"space"`
	Generation   uint64 `json:"generation"`
	Observations uint64 `json:"observations"`
	Unindexed    uint64 `json:"unindexed"` // compared by scanning, until the graph has them
	Dimension    int    `json:"dimension"`
	Metric       string `json:"metric"`
	Queries      string `json:"queries"` // "sampled", or the file's name
	Seed         uint64 `json:"seed,omitempty"`
	Limit        int    `json:"limit"`
	Concurrency  int    `json:"concurrency"`
	// ScannedOnly says that no recall walked a graph, so that all were exact.
	ScannedOnly bool    `json:"scanned_only"`
	MinRecall   float64 `json:"min_recall"`
	OK          bool    `json:"ok"` // everything found min_recall
	*recallcheck.Report
}

// nothing says why nothing was measured. That fails the verb when a recall was
// demanded: it was not seen.
func (k *recallChecker) nothing(r *recallcheck.Report, why string) error {
	ok := k.flags.minRecall == 0
	if k.v.json {
		if err := k.v.printJSON(k.checked(r, ok)); err != nil {
			return err
		}
	} else {
		k.v.printf("nothing to check in %s: %s\n", k.space, why)
	}
	if !ok {
		return fmt.Errorf("nothing was measured in %s, %s: whether it has --min-recall %v cannot be said", k.space, why, k.flags.minRecall)
	}
	return nil
}

func (k *recallChecker) checked(r *recallcheck.Report, ok bool) recallChecked {
	c := recallChecked{
		Space: k.space, Generation: k.is.Generation, Observations: k.is.Observations, Unindexed: k.is.Unindexed, Dimension: k.is.Dimension, Metric: k.is.Metric.String(),
		Queries: k.source(), Limit: k.flags.limit, Concurrency: k.flags.concurrency, ScannedOnly: r.Scanned(), MinRecall: k.flags.minRecall, OK: ok, Report: r,
	}
	if c.Queries == "" {
		c.Queries, c.Seed = "sampled", k.flags.seed
	}
	return c
}

// tell prints what was found, and fails the verb when it is too little.
func (k *recallChecker) tell(r *recallcheck.Report) error {
	lowest := r.Lowest()
	if lowest == nil {
		return k.nothing(r, fmt.Sprintf("nothing is to be found for any query (%d find nothing, %d are of rows forgotten meanwhile, %d kept changing)", r.Empty, r.Gone, r.Unsteady))
	}
	ok := lowest.Recall >= k.flags.minRecall
	if k.v.json {
		if err := k.v.printJSON(k.checked(r, ok)); err != nil {
			return err
		}
	} else if err := k.print(r); err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("recall@%d is %s at %s, below --min-recall %v", k.flags.limit, share(lowest.Recall), effortName(lowest.Effort), k.flags.minRecall)
	}
	return nil
}

func (k *recallChecker) print(r *recallcheck.Report) error {
	v := k.v
	v.printf("%s: %d observations of %d dimensions, %v, generation %d", k.space, k.is.Observations, k.is.Dimension, k.is.Metric, k.is.Generation)
	if n := k.is.Unindexed; n > 0 && !r.Scanned() {
		v.printf("; %d of them wait for the graph and are scanned", n)
	}
	if k.flags.queries == "" {
		v.printf("\n%d observations asked for (seed %d), each left out of its own answers", r.Cues, k.flags.seed)
	} else {
		v.printf("\n%d queries of %s", r.Cues, k.source())
	}
	k.printLeftOut(r)

	v.printf("\n")
	t := tabwriter.NewWriter(v.out, 0, 0, 3, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format, args...) } //nolint:errcheck // Flush tells
	line("EFFORT\tRECALL@%d\t±\tLEAST\tBELOW %v\tP50\tP99\tIN THE SERVER: P50\tP99\n", k.flags.limit, recallcheck.Good)
	for _, e := range r.Efforts {
		name := strconv.Itoa(e.Effort)
		if e.Effort == 0 {
			name = "server's"
		}
		line("%s\t%s\t%s\t%s\t%d of %d\t%s\n", name, share(e.Recall), share(e.Margin), share(e.Least), e.Poor, r.Cues, latencies(e.Latency))
	}
	line("exact\t1\t\t\t\t%s\n", latencies(r.Exact))
	if err := t.Flush(); err != nil {
		return err
	}

	v.printf("\n")
	if r.Scanned() {
		v.printf("No recall walked a graph: %s, so that all answers are exact and there is nothing to check.\n", k.whyScanned())
		return nil
	}
	for _, e := range r.Efforts {
		v.printf("at %s: recall@%d %s, %s p50; exact %s%s\n",
			effortName(e.Effort), k.flags.limit, share(e.Recall), milliseconds(e.P50), milliseconds(r.Exact.P50), times(r.Exact.P50, e.P50))
		if e.Poor > 0 {
			v.printf("    found least for %s: %s\n", e.Worst, share(e.Least))
		}
		if e.Walked < r.Cues {
			v.printf("    %d of %d were answered by a scan alone, as few rows pass the filter\n", r.Cues-e.Walked, r.Cues)
		}
	}
	return nil
}

func (k *recallChecker) whyScanned() string {
	if k.filter != nil {
		return "everything that passes the filter was compared"
	}
	return fmt.Sprintf("every row was compared (the space gets a graph at %d rows)", k.is.IndexThreshold)
}

// printLeftOut says, behind the count of what was measured, what was not.
func (k *recallChecker) printLeftOut(r *recallcheck.Report) {
	for _, x := range []struct {
		n    int
		what string
	}{
		{r.Short, fmt.Sprintf("of them have fewer than %d rows to find", k.flags.limit)},
		{r.Empty, "more find nothing at all, and are left out"},
		{r.Gone, "more were forgotten meanwhile, and are left out"},
		{r.Unsteady, "more kept changing, and are left out"},
	} {
		if x.n > 0 {
			k.v.printf("; %d %s", x.n, x.what)
		}
	}
	k.v.printf("\n")
}

func effortName(effort int) string {
	if effort == 0 {
		return "the server's effort"
	}
	return fmt.Sprintf("effort %d", effort)
}

// share is a recall as a person reads it. What is not all never reads as 1.
func share(x float64) string {
	s := strconv.FormatFloat(x, 'f', 4, 64)
	if x < 1 && s == "1.0000" {
		return "0.9999"
	}
	return s
}

func latencies(l recallcheck.Latency) string {
	return milliseconds(l.P50) + "\t" + milliseconds(l.P99) + "\t" + milliseconds(l.ServerP50) + "\t" + milliseconds(l.ServerP99)
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
}

// times says how many times as long the first takes as the second.
func times(a, b time.Duration) string {
	if b <= 0 || a < b {
		return ""
	}
	return fmt.Sprintf(" (%.1f times as long)", float64(a)/float64(b))
}
