package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	engram "github.com/engram-stream/engram/sdk/go"
)

// defaultAddr is where client verbs look for a server.
const defaultAddr = "127.0.0.1:50051"

// clientCommands are the verbs that talk to a server, and demo, which brings
// its own.
func clientCommands() []*cobra.Command {
	return []*cobra.Command{
		observeCommand(), recallCommand(), recallCheckCommand(), spacesCommand(), sessionsCommand(), getCommand(), listCommand(),
		forgetCommand(), watchCommand(), statusCommand(), exportCommand(), importCommand(), checkpointCommand(), backupCommand(), demoCommand(),
	}
}

// verb is what a client verb runs with.
type verb struct {
	addr   string
	json   bool
	client *engram.Client
	out    io.Writer
	errs   io.Writer
}

// clientVerb makes a command that talks to a server: it adds the flags all of
// them have, connects, and makes errors helpful.
func clientVerb(c *cobra.Command, run func(ctx context.Context, v *verb, args []string) error) *cobra.Command {
	v := &verb{}
	addr := os.Getenv("ENGRAM_ADDR")
	if addr == "" {
		addr = defaultAddr
	}
	c.Flags().StringVar(&v.addr, "addr", addr, "address of the server (or ENGRAM_ADDR)")
	c.Flags().BoolVar(&v.json, "json", false, "print JSON, for scripts")
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := engram.Dial(v.addr)
		if err != nil {
			return usageError("--addr: %w", err)
		}
		defer client.Close()
		v.client, v.out, v.errs = client, c.OutOrStdout(), c.ErrOrStderr()
		ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		context.AfterFunc(ctx, stop) // a second signal ends the process at once
		return v.explain(run(ctx, v, args))
	}
	return c
}

// explain chooses the exit code, and says what to do about it.
func (v *verb) explain(err error) error {
	var e *engram.Error
	var coded *codedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &coded):
		return err
	case errors.As(err, &e) && e.Reason == "TRANSPORT" && strings.Contains(e.Message, "refused"):
		return &codedError{exitUnavailable, fmt.Errorf("no server answers at %s; start one with 'engram serve', or say where it is with --addr", v.addr)}
	case engram.IsUnavailable(err):
		return &codedError{exitUnavailable, err}
	case engram.IsNotFound(err):
		return &codedError{exitNotFound, err}
	case engram.IsRefused(err):
		return &codedError{exitRefused, err}
	case errors.Is(err, context.Canceled):
		return &codedError{exitInterrupted, errors.New("interrupted")}
	case errors.As(err, &e) && e.Code == "invalid_argument":
		return &codedError{exitUsage, err}
	}
	return err
}

func (v *verb) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(v.out, format, args...) //nolint:errcheck // nobody is reading
}

// printJSON prints one line of JSON.
func (v *verb) printJSON(x any) error { return json.NewEncoder(v.out).Encode(x) }

// snippet is a text in one line of at most n characters.
func snippet(text string, n int) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return text
}

// sourceOf says where an observation came from, if it says so itself.
func sourceOf(o engram.Observation) string {
	s, _ := o.Metadata["source"].(string)
	if line, ok := o.Metadata["line"].(float64); ok && s != "" {
		return fmt.Sprintf("%s:%d", s, int(line))
	}
	return s
}

// filterFlag reads key=value tests. Values are JSON if they can be, else text.
func filterFlag(tests []string) (*engram.Filter, error) {
	if len(tests) == 0 {
		return nil, nil
	}
	var f engram.Filter
	for _, t := range tests {
		key, value, ok := strings.Cut(t, "=")
		if !ok || key == "" {
			return nil, usageError("--filter is %q; key=value is wanted, such as metadata.country=Italy", t)
		}
		var x any
		if json.Unmarshal([]byte(value), &x) != nil {
			x = value
		}
		f.All = append(f.All, engram.Eq(key, x))
	}
	return &f, nil
}
