package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	engram "github.com/engram-stream/engram/sdk/go"
)

func (v *verb) printStored(s engram.Stored) error {
	if v.json {
		return v.printJSON(s)
	}
	text := snippet(s.Content, 160)
	if s.Quarantine != "" {
		text += " [quarantined: " + s.Quarantine + "]"
	}
	v.printf("%8d  %s  %-26s  %s\n", s.Generation, s.CommittedAt.Local().Format(time.DateTime), s.ID, text)
	return nil
}

func getCommand() *cobra.Command {
	c := &cobra.Command{Use: "get SPACE ID…", Short: "Read observations by id", Args: cobra.MinimumNArgs(2)}
	return clientVerb(c, func(ctx context.Context, v *verb, args []string) error {
		found, missing, err := v.client.Get(ctx, args[0], args[1:]...)
		if err != nil {
			return err
		}
		for _, s := range found {
			if err := v.printStored(s); err != nil {
				return err
			}
		}
		if len(missing) > 0 {
			return &codedError{exitNotFound, fmt.Errorf("space %q does not hold %s", args[0], strings.Join(missing, ", "))}
		}
		return nil
	})
}

func listCommand() *cobra.Command {
	var since uint64
	var limit int
	var filters []string
	c := &cobra.Command{Use: "list SPACE", Short: "List the observations of a space, oldest first", Args: cobra.ExactArgs(1)}
	c.Flags().Uint64Var(&since, "since", 0, "only from generations after this one")
	c.Flags().IntVar(&limit, "limit", 0, "stop after this many; 0 is never")
	c.Flags().StringArrayVar(&filters, "filter", nil, "only what has this value: key=value; repeat for more")
	return clientVerb(c, func(ctx context.Context, v *verb, args []string) error {
		f, err := filterFlag(filters)
		if err != nil {
			return err
		}
		n := 0
		for s, err := range v.client.List(ctx, args[0], since, f) {
			if err != nil {
				return err
			}
			if err := v.printStored(s); err != nil {
				return err
			}
			if n++; n == limit {
				break
			}
		}
		return nil
	})
}

func watchCommand() *cobra.Command {
	var since int64
	var filters []string
	c := &cobra.Command{Use: "watch SPACE", Short: "Show observations as they become visible", Args: cobra.ExactArgs(1)}
	c.Flags().Int64Var(&since, "since", -1, "begin after this generation; −1 is now")
	c.Flags().StringArrayVar(&filters, "filter", nil, "only what has this value: key=value; repeat for more")
	return clientVerb(c, func(ctx context.Context, v *verb, args []string) error {
		f, err := filterFlag(filters)
		if err != nil {
			return err
		}
		var from *uint64
		if since >= 0 {
			g := uint64(since)
			from = &g
		}
		for s, err := range v.client.WatchSpace(ctx, args[0], from, f) {
			if err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
			if err := v.printStored(s); err != nil {
				return err
			}
		}
		return nil
	})
}

func forgetCommand() *cobra.Command {
	var ids, filters []string
	var yes bool
	c := &cobra.Command{Use: "forget SPACE", Short: "Delete observations by id or by filter", Args: cobra.ExactArgs(1)}
	c.Flags().StringArrayVar(&ids, "id", nil, "the observation with this id; repeat for more")
	c.Flags().StringArrayVar(&filters, "filter", nil, "everything that has this value: key=value; repeat to narrow down")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return clientVerb(c, func(ctx context.Context, v *verb, args []string) error {
		f, err := filterFlag(filters)
		if err != nil {
			return err
		}
		if (f == nil) == (len(ids) == 0) {
			return usageError("give either --id or --filter")
		}
		if err := v.confirm(yes, "forget this for good?"); err != nil {
			return err
		}
		var n uint64
		if f != nil {
			n, err = v.client.ForgetWhere(ctx, args[0], *f)
		} else {
			n, err = v.client.Forget(ctx, args[0], ids...)
		}
		if err != nil {
			return err
		}
		if v.json {
			return v.printJSON(map[string]any{"forgotten": n})
		}
		v.printf("forgot %d observations\n", n)
		return nil
	})
}

// confirm asks, on a terminal. Elsewhere there is nobody to ask, and --yes is
// wanted.
func (v *verb) confirm(yes bool, question string, args ...any) error {
	if yes {
		return nil
	}
	if !isatty.IsTerminal(os.Stdin.Fd()) {
		return usageError("nobody can be asked here; say --yes to go ahead")
	}
	v.printf(question+" [y/N] ", args...)
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil || !strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "y") {
		return &codedError{exitFailed, fmt.Errorf("not done")}
	}
	return nil
}
