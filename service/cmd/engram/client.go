package main

import "github.com/spf13/cobra"

// clientCommands are the verbs that talk to a server.
func clientCommands() []*cobra.Command { return nil }
