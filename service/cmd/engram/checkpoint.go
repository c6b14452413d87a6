package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

func checkpointCommand() *cobra.Command {
	var erase bool
	c := &cobra.Command{
		Use: "checkpoint", Short: "Have the server write a checkpoint now", Args: cobra.NoArgs,
		Long: `Has the server write a checkpoint of every space that changed, and returns when
it is on stable storage: the next start reads it, and of the journal only what
came after. The server does this by itself from time to time.

With --erase nothing that was forgotten, replaced or deleted before is left on
the server's disk when the verb returns.`,
	}
	c.Flags().BoolVar(&erase, "erase", false, "leave no byte of what was forgotten on the disk")
	return clientVerb(c, func(ctx context.Context, v *verb, _ []string) error {
		done, err := v.client.Checkpoint(ctx, erase)
		if err != nil {
			return err
		}
		if v.json {
			return v.printJSON(done)
		}
		v.printf("checkpoint %d: %d spaces, %.1f MB in %v; a start reads the journal from position %d\n",
			done.Catalog, done.Spaces, float64(done.Bytes)/1e6, done.Took.Round(time.Millisecond), done.Position)
		return nil
	})
}
