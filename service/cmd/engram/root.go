package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

const rootHelp = `Engram is a streaming memory server. Applications and agents stream
observations into memory spaces and recall from them while they stream.

  engram serve                          start a server
  engram observe notes README.md        remember the paragraphs of a file
  engram recall notes how do I start    find what is near

Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 invalid configuration, 4 not found,
5 server not reachable, 6 refused for load, 130 or 143 interrupted or
terminated a second time.`

// newRoot makes the command tree.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use: "engram", Short: "A streaming memory server, and its client", Long: rootHelp,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError("%w; see '%s --help'", err, c.CommandPath())
	})
	root.AddCommand(serveCommand(), restoreCommand(), doctorCommand(), configCommand(), versionCommand())
	root.AddCommand(clientCommands()...)
	usageErrors(root)
	return root
}

// usageErrors makes wrong arguments, to c or any command below it, an error of
// usage: cobra reports them as plain errors, and those of a command that only
// groups others before any hook of ours.
func usageErrors(c *cobra.Command) {
	check := c.Args
	if c.HasSubCommands() && !c.Runnable() {
		check = func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			hint := ""
			if near := c.SuggestionsFor(args[0]); len(near) > 0 {
				hint = fmt.Sprintf("; did you mean %q?", near[0])
			}
			return fmt.Errorf("unknown command %q%s", args[0], hint)
		}
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	}
	if check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usageError("%w; see '%s --help'", err, c.CommandPath())
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		usageErrors(sub)
	}
}
