package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	engram "github.com/engram-stream/engram/sdk/go"
)

func spacesCommand() *cobra.Command {
	c := &cobra.Command{Use: "spaces", Short: "List, create and delete memory spaces"}
	c.AddCommand(spacesList(), spacesGet(), spacesCreate(), spacesUpdate(), spacesDelete())
	return c
}

func (v *verb) printSpace(s engram.Space) error {
	if v.json {
		return v.printJSON(s)
	}
	v.printf("%-24s %9d observations  %5d-d %-9s %-8s generation %d, %d not in the graph, %.1f MB%s\n",
		s.ID, s.Observations, s.Dimension, s.Metric, s.Embedder, s.Generation, s.Unindexed, float64(s.Bytes)/1e6, remarks(s))
	return nil
}

func spacesList() *cobra.Command {
	c := &cobra.Command{Use: "list [PREFIX]", Short: "List the spaces", Args: cobra.MaximumNArgs(1)}
	return clientVerb(c, func(ctx context.Context, v *verb, args []string) error {
		prefix := ""
		if len(args) == 1 {
			prefix = args[0]
		}
		n := 0
		for s, err := range v.client.ListSpaces(ctx, prefix) {
			if err != nil {
				return err
			}
			if err := v.printSpace(s); err != nil {
				return err
			}
			n++
		}
		if n == 0 && !v.json {
			v.printf("there are no spaces yet; 'engram observe SPACE FILE' makes one\n")
		}
		return nil
	})
}

func spacesGet() *cobra.Command {
	c := &cobra.Command{Use: "get SPACE", Short: "Show a space: how it is searched, and what memory it takes", Args: cobra.ExactArgs(1)}
	return clientVerb(c, func(ctx context.Context, v *verb, args []string) error {
		s, err := v.client.GetSpace(ctx, args[0])
		if err != nil {
			return err
		}
		if err := v.printSpace(s); err != nil || v.json {
			return err
		}
		for _, line := range describe(s) {
			v.printf("  %s\n", line)
		}
		return nil
	})
}

var metrics = map[string]engram.Metric{"": engram.DefaultMetric, "cosine": engram.Cosine, "dot": engram.Dot, "euclidean": engram.Euclidean}

func spacesCreate() *cobra.Command {
	var n engram.NewSpace
	var metric string
	var threshold int64
	c := &cobra.Command{Use: "create SPACE", Short: "Create a space", Args: cobra.ExactArgs(1)}
	c.Flags().IntVar(&n.Dimension, "dim", 0, "length of its vectors; 0 leaves it to the first observation")
	c.Flags().StringVar(&metric, "metric", "", "cosine, dot or euclidean")
	c.Flags().StringVar(&n.Embedder, "embedder", "", "none, hashing or openai")
	c.Flags().Int64Var(&threshold, "index-threshold", -1, "from how many observations on a graph is built; −1 leaves it to the server")
	c.Flags().DurationVar(&n.MaxAge, "max-age", 0, "forget what is older")
	c.Flags().Uint64Var(&n.MaxCount, "max-count", 0, "forget the oldest beyond this many")
	c.Flags().Uint64Var(&n.MaxBytes, "max-bytes", 0, "forget the oldest beyond this many bytes")
	return clientVerb(c, func(ctx context.Context, v *verb, args []string) error {
		m, ok := metrics[metric]
		if !ok {
			return usageError("--metric is %q; cosine, dot and euclidean are known", metric)
		}
		n.Metric = m
		if threshold >= 0 {
			t := uint64(threshold)
			n.IndexThreshold = &t
		}
		s, _, err := v.client.CreateSpace(ctx, args[0], n)
		if err != nil {
			return err
		}
		return v.printSpace(s)
	})
}

func spacesUpdate() *cobra.Command {
	var threshold int64
	var age time.Duration
	var count, size int64
	c := &cobra.Command{Use: "update SPACE", Short: "Change what can be changed of a space", Args: cobra.ExactArgs(1)}
	c.Flags().Int64Var(&threshold, "index-threshold", -1, "from how many observations on a graph is built")
	c.Flags().DurationVar(&age, "max-age", -1, "forget what is older; 0 is never")
	c.Flags().Int64Var(&count, "max-count", -1, "forget the oldest beyond this many; 0 is no limit")
	c.Flags().Int64Var(&size, "max-bytes", -1, "forget the oldest beyond this many bytes; 0 is no limit")
	return clientVerb(c, func(ctx context.Context, v *verb, args []string) error {
		var change engram.SpaceChange
		if threshold >= 0 {
			t := uint64(threshold)
			change.IndexThreshold = &t
		}
		if age >= 0 {
			change.MaxAge = &age
		}
		if count >= 0 {
			n := uint64(count)
			change.MaxCount = &n
		}
		if size >= 0 {
			n := uint64(size)
			change.MaxBytes = &n
		}
		if change == (engram.SpaceChange{}) {
			return usageError("nothing to change: give --index-threshold, --max-age, --max-count or --max-bytes")
		}
		s, err := v.client.UpdateSpace(ctx, args[0], change)
		if err != nil {
			return err
		}
		return v.printSpace(s)
	})
}

func spacesDelete() *cobra.Command {
	var yes bool
	c := &cobra.Command{Use: "delete SPACE", Short: "Delete a space and everything in it", Args: cobra.ExactArgs(1)}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return clientVerb(c, func(ctx context.Context, v *verb, args []string) error {
		if err := v.confirm(yes, "delete space %q and everything in it?", args[0]); err != nil {
			return err
		}
		n, err := v.client.DeleteSpace(ctx, args[0])
		if err != nil {
			return err
		}
		if v.json {
			return v.printJSON(map[string]any{"space": args[0], "forgotten": n})
		}
		v.printf("deleted %s with %d observations\n", args[0], n)
		return nil
	})
}
