package main

import (
	"github.com/spf13/cobra"
)

const rootHelp = `Engram is a streaming memory server. Applications and agents stream
observations into memory spaces and recall from them while they stream.

  engram serve                          start a server
  engram observe notes README.md        remember the paragraphs of a file
  engram recall notes how do I start    find what is near

Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 invalid configuration, 4 not found,
5 server not reachable, 6 refused for load, 130 interrupted twice.`

// newRoot makes the command tree.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use: "engram", Short: "A streaming memory server, and its client", Long: rootHelp,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError("%w; see '%s --help'", err, c.CommandPath())
	})
	root.AddCommand(serveCommand(), configCommand(), versionCommand())
	root.AddCommand(clientCommands()...)
	return root
}
