package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	engram "github.com/engram-stream/engram/sdk/go"
)

func recallCommand() *cobra.Command {
	var limit, effort int
	var filters []string
	var exact bool
	var atLeast uint64
	var id string
	c := &cobra.Command{
		Use: "recall SPACE TEXT…", Short: "Find what is near a text", Args: cobra.MinimumNArgs(1),
		Example: "  engram recall notes where is the kettle\n  engram recall wine red and dry --filter metadata.country=Italy --limit 3",
	}
	c.Flags().IntVar(&limit, "limit", 10, "results at the most")
	c.Flags().IntVar(&effort, "effort", 0, "width of the graph search; 0 leaves it to the server")
	c.Flags().StringArrayVar(&filters, "filter", nil, "only what has this value: key=value; repeat for more")
	c.Flags().BoolVar(&exact, "exact", false, "compare with every observation")
	c.Flags().Uint64Var(&atLeast, "at-least", 0, "wait until this generation is visible")
	c.Flags().StringVar(&id, "like", "", "look for what is near this observation, in place of a text")
	return clientVerb(c, func(ctx context.Context, v *verb, args []string) error {
		opts := []engram.RecallOption{engram.Limit(limit), engram.Effort(effort)}
		f, err := filterFlag(filters)
		if err != nil {
			return err
		}
		if f != nil {
			opts = append(opts, engram.Matching(*f))
		}
		if exact {
			opts = append(opts, engram.Exact())
		}
		if atLeast > 0 {
			opts = append(opts, engram.AtLeast(atLeast))
		}
		cue := engram.ByText(strings.Join(args[1:], " "))
		if id != "" {
			cue = engram.ByID(id)
		} else if len(args) == 1 {
			return usageError("what is to be recalled? give a text, or --like ID")
		}
		r, err := v.client.Recall(ctx, args[0], cue, opts...)
		if err != nil {
			return err
		}
		if v.json {
			return v.printJSON(r)
		}
		v.printRecall(r)
		return nil
	})
}

// printRecall prints results as a person reads them.
func (v *verb) printRecall(r *engram.Recall) {
	if len(r.Results) == 0 {
		v.printf("nothing is near that, at generation %d\n", r.Generation)
	}
	for _, x := range r.Results {
		from := sourceOf(x.Observation)
		if from == "" {
			from = x.Observation.ID
		}
		text := snippet(x.Observation.Content, 160)
		if text == "" {
			text = fmt.Sprintf("(a vector of generation %d)", x.Generation)
		}
		v.printf("%6.3f  %s\n        %s\n", x.Similarity, text, from)
	}
}
