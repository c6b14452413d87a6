package main

import (
	"context"
	"fmt"
	"log/slog"
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
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer onSignals(cancel)()
	log := server.NewLog(cfg.Log)
	slog.SetDefault(log) // for libraries that log by themselves
	spareProcessors()
	s := server.New(cfg, log, version)
	if err := s.Listen(); err != nil {
		return err
	}
	listening(s.Addr())
	return s.Run(ctx)
}

// onSignals calls first at the first SIGINT or SIGTERM and ends the process at
// the second. One channel takes both, so that none is lost in between. What it
// returns puts the signals back as they were.
func onSignals(first func()) (restore func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case <-quit:
				return
			case got := <-signals:
				if n == 0 {
					first()
					continue
				}
				fmt.Fprintln(os.Stderr, "engram: interrupted again, stopping at once")
				if got == syscall.SIGTERM {
					os.Exit(exitTerminated)
				}
				os.Exit(exitInterrupted)
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(quit)
		<-done
	}
}
