package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/engram-stream/engram/service/internal/config"
	"github.com/engram-stream/engram/service/internal/server"
)

func serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "serve", Short: "Start a server", Args: cobra.NoArgs,
		Long: `Starts a server and serves until it is interrupted. The first SIGINT or SIGTERM
drains it: streams are told to come back, what was accepted is finished. The
second ends it at once.

Settings come from flags, then ENGRAM_ variables, then the file given by
--config, then the profile, then the defaults. 'engram config print' shows them.`,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := loadConfig(c)
			if err != nil {
				return err
			}
			return serve(c.Context(), cfg, func(addr string) {
				_, _ = fmt.Fprintf(c.OutOrStdout(), "engram is listening on http://%s\n", addr) //nolint:errcheck // nobody is reading
			})
		},
	}
	bindConfig(c)
	return c
}

// serve runs a server until it is told to stop.
func serve(ctx context.Context, cfg config.Config, listening func(addr string)) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := server.New(cfg, server.NewLog(cfg.Log), version)
	if err := s.Listen(); err != nil {
		return err
	}
	listening(s.Addr())
	defer context.AfterFunc(ctx, func() {
		// From here on a second signal ends the process.
		again := make(chan os.Signal, 1)
		signal.Notify(again, os.Interrupt, syscall.SIGTERM)
		got := <-again
		fmt.Fprintln(os.Stderr, "engram: interrupted again, stopping at once")
		if got == syscall.SIGTERM {
			os.Exit(exitTerminated)
		}
		os.Exit(exitInterrupted)
	})()
	return s.Run(ctx)
}
