package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/spf13/cobra"

	engram "github.com/engram-stream/engram/sdk/go"
	"github.com/engram-stream/engram/service/cmd/engram/internal/recallcheck"
)

// maxCompared bounds the results that a check remembers: cues × limit.
const maxCompared = 10_000_000

// recallCheckFlags are the settings of the recall-check verb.
type recallCheckFlags struct {
	samples     int
	seed        uint64
	queries     string
	limit       int
	efforts     []int
	filters     []string
	concurrency int
	minRecall   float64
	timeout     time.Duration
}

const recallCheckHelp = `Asks the same questions of a space twice, once as an application would and once
compared with every observation, at one generation, and says how much of what is
nearest the first answers hold, and how long both take.

The questions are observations of the space, chosen at random, each left out of
its own answers; or those of a file, one a line: a text ("where is the kettle"),
a vector ([0.1,…]) or an observation as 'engram export' writes it. A file of what
is really asked tells more: rows that are in a graph are easier to find the
neighbours of than what is not in it.

A result that is as similar as the last of the nearest counts as one of them.
What is forgotten or expires meanwhile is asked for again. The space may be
written to; a check that takes longer than its history window cannot be finished.`

func recallCheckCommand() *cobra.Command {
	var f recallCheckFlags
	c := &cobra.Command{
		Use: "recall-check SPACE", Short: "Measure how much recalls find, against exact search", Args: cobra.ExactArgs(1), Long: recallCheckHelp,
		Example: "  engram recall-check notes\n  engram recall-check notes --effort 40,80,160,320\n  engram recall-check notes --queries asked.jsonl --min-recall 0.95",
	}
	c.Flags().IntVar(&f.samples, "samples", 200, "observations to ask for, chosen at random")
	c.Flags().Uint64Var(&f.seed, "seed", 1, "another seed chooses other observations")
	c.Flags().StringVar(&f.queries, "queries", "", "ask for the lines of this file instead; - is standard input")
	c.Flags().IntVar(&f.limit, "limit", 10, "results a recall: the k of recall@k")
	c.Flags().IntSliceVar(&f.efforts, "effort", []int{0}, "widths of the graph search to measure, with commas; 0 is the server's choice")
	c.Flags().StringArrayVar(&f.filters, "filter", nil, "find only what has this value: key=value; repeat for more")
	c.Flags().IntVar(&f.concurrency, "concurrency", 1, "recalls under way at a time; more than the server has cores lengthens all of them")
	c.Flags().Float64Var(&f.minRecall, "min-recall", 0, "end with exit code 1 when any effort finds less, such as 0.95")
	c.Flags().DurationVar(&f.timeout, "timeout", time.Minute, "how long one recall may take")
	return clientVerb(c, func(ctx context.Context, v *verb, args []string) error {
		filter, err := f.check()
		if err != nil {
			return err
		}
		k := recallChecker{v: v, space: args[0], flags: f, filter: filter}
		return k.run(ctx)
	})
}

// check finds what cannot be measured.
func (f *recallCheckFlags) check() (*engram.Filter, error) {
	switch {
	case f.samples < 1 || f.samples > recallcheck.MaxCues:
		return nil, usageError("--samples is %d; it must be in 1..%d", f.samples, recallcheck.MaxCues)
	case f.limit < 1 || f.limit > 10_000:
		return nil, usageError("--limit is %d; it must be in 1..10000", f.limit)
	case len(f.efforts) == 0 || len(f.efforts) > 32:
		return nil, usageError("--effort has %d numbers; 1..32 are measured", len(f.efforts))
	case f.concurrency < 1 || f.concurrency > 64:
		return nil, usageError("--concurrency is %d; it must be in 1..64", f.concurrency)
	case math.IsNaN(f.minRecall) || f.minRecall < 0 || f.minRecall > 1:
		return nil, usageError("--min-recall is %v; it must be in 0..1", f.minRecall)
	case f.timeout <= 0:
		return nil, usageError("--timeout is %v; it must be more than nothing", f.timeout)
	}
	for _, e := range f.efforts {
		if e < 0 || e > 10_000 {
			return nil, usageError("--effort has %d; it must be in 0..10000", e)
		}
	}
	return filterFlag(f.filters)
}

// recallChecker checks one space.
type recallChecker struct {
	v      *verb
	space  string
	flags  recallCheckFlags
	filter *engram.Filter
	is     engram.Space
}

func (k *recallChecker) run(ctx context.Context) (err error) {
	if k.is, err = k.v.client.GetSpace(ctx, k.space); err != nil {
		return err
	}
	return k.measure(ctx)
}

// measure checks the space as it is known to be.
func (k *recallChecker) measure(ctx context.Context) error {
	if k.is.Observations == 0 {
		return k.nothing(&recallcheck.Report{}, "it is empty")
	}
	cues, err := k.cues(ctx)
	if err != nil {
		return k.explain(err)
	}
	if len(cues) == 0 {
		return k.nothing(&recallcheck.Report{}, "there is no query")
	}
	if len(cues)*k.flags.limit > maxCompared {
		return usageError("%d queries with --limit %d are more than can be compared; their product is to be %d at the most", len(cues), k.flags.limit, maxCompared)
	}
	bar := k.v.progressOf("checking", int64(len(cues)*(1+len(k.flags.efforts))))
	report, err := recallcheck.Run(ctx, recallcheck.Plan{
		Efforts: k.flags.efforts, Limit: k.flags.limit, Concurrency: k.flags.concurrency,
		Asked: func() { _ = bar.Add(1) }, //nolint:errcheck // only looks
	}, cues, k.ask)
	_ = bar.Finish() //nolint:errcheck // only looks
	if err != nil {
		return k.explain(err)
	}
	return k.tell(report)
}

// cues are those of the file, or rows of the space.
func (k *recallChecker) cues(ctx context.Context) ([]recallcheck.Cue, error) {
	var in io.Reader
	switch name := k.flags.queries; name {
	case "":
		return recallcheck.Sample(ctx, func(ctx context.Context, since uint64, n int) (engram.Page, error) {
			return k.v.client.Page(ctx, k.space, since, k.is.Generation, n)
		}, k.is.Generation, k.is.Observations, k.flags.samples, k.flags.seed)
	case "-":
		in = interruptible(ctx, os.Stdin)
	default:
		file, err := os.Open(name)
		if err != nil {
			return nil, usageError("--queries: %w", err)
		}
		defer file.Close() //nolint:errcheck // only read
		in = file
	}
	cues, err := recallcheck.ReadCues(k.source(), in)
	if err != nil && ctx.Err() == nil {
		return nil, usageError("--queries: %w", err)
	}
	return cues, err
}

func (k *recallChecker) source() string {
	if k.flags.queries == "-" {
		return "stdin"
	}
	return k.flags.queries
}

// ask has a cue answered at the generation of the check.
func (k *recallChecker) ask(ctx context.Context, cue engram.Cue, how recallcheck.How) (*engram.Recall, error) {
	ctx, cancel := context.WithTimeout(ctx, k.flags.timeout)
	defer cancel()
	opts := []engram.RecallOption{engram.Limit(k.flags.limit), engram.Effort(how.Effort), engram.At(k.is.Generation)}
	if k.filter != nil {
		opts = append(opts, engram.Matching(*k.filter))
	}
	if how.Exact {
		opts = append(opts, engram.Exact())
	}
	return k.v.client.Recall(ctx, k.space, cue, opts...)
}

// explain says what to do about what ends a check only.
func (k *recallChecker) explain(err error) error {
	if engram.ReasonOf(err) != "GENERATION_EXPIRED" {
		return err
	}
	return &codedError{exitFailed, fmt.Errorf(
		"space %q has moved on: generation %d, at which everything was to be compared, is no longer within its history window of %v; check fewer --samples, or give the space a longer window: %w",
		k.space, k.is.Generation, k.is.HistoryWindow, err)}
}
