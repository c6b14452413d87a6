package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	engram "github.com/engram-stream/engram/sdk/go"
	"github.com/engram-stream/engram/service/cmd/engram/internal/source"
)

// demoSpace is the space that demo streams into.
const demoSpace = "demo"

// defaultQuestions suit this project's own documentation.
var defaultQuestions = []string{
	"what does a durable ack promise?",
	"what happens when a worker panics?",
	"who decides whether an id is taken?",
}

// demoFlags are the settings of the demo verb.
type demoFlags struct {
	dataDir string
	listen  string
	ask     []string
	exit    bool
}

func demoCommand() *cobra.Command {
	var f demoFlags
	c := &cobra.Command{
		Use: "demo [FILE|DIR]…", Short: "Start a server, stream text into it and ask it questions",
		Long: `Starts a server of its own on a data directory of its own, streams the given
files into it (without any: the Markdown files here and in docs), asks a few
questions and prints what is recalled, and goes on serving until it is
interrupted. Doing it again finds everything still there and adds nothing twice.`,
		RunE: func(c *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return demo(ctx, &verb{out: c.OutOrStdout(), errs: c.ErrOrStderr()}, args, f)
		},
	}
	c.Flags().StringVar(&f.dataDir, "data-dir", filepath.Join(".engram", "demo"), "where the server keeps its data")
	c.Flags().StringVar(&f.listen, "listen", defaultAddr, "address of the server; when it is taken, another port is used")
	c.Flags().StringArrayVar(&f.ask, "ask", nil, "a question to ask; repeat for more")
	c.Flags().BoolVar(&f.exit, "exit", false, "stop after the questions")
	return c
}

func demo(ctx context.Context, v *verb, files []string, f demoFlags) (err error) {
	if len(files) == 0 {
		if files, err = ownDocs(); err != nil {
			return err
		}
	}
	expanded, err := source.Expand(files)
	if err != nil {
		return usageError("%w", err)
	}
	srv, err := startChild(ctx, v, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.stop()) }()
	if v.client, err = engram.Dial(srv.addr); err != nil {
		return err
	}
	defer v.client.Close()
	v.addr = srv.addr
	v.printf("streaming %d files into space %q\n", len(expanded), demoSpace)
	sum, err := observe(ctx, v, demoSpace, source.Files(expanded, source.Options{Stdin: os.Stdin}), observeFlags{priority: "normal", ack: "visible"})
	if err != nil {
		return v.explain(err)
	}
	v.printf("%d paragraphs: %d new, %d already there; %.0f a second, acked visible\n\n", sum.Observed, sum.New, sum.Observed-sum.New-sum.Rejected, sum.Rate)
	questions := f.ask
	if len(questions) == 0 {
		questions = defaultQuestions
	}
	for _, q := range questions {
		r, err := v.client.Recall(ctx, demoSpace, engram.ByText(q), engram.Limit(3))
		if err != nil {
			return v.explain(err)
		}
		v.printf("? %s\n", q)
		v.printRecall(r)
		v.printf("\n")
	}
	if f.exit {
		return nil
	}
	v.printf(`Serving on http://%[1]s (Ctrl-C ends it). Try, in another terminal:

  bin/engram recall %[2]s --addr %[1]s "how do I resume a session?"
  echo "the kettle is in the red box" | bin/engram observe notes --addr %[1]s
  curl -H 'content-type: application/json' -d '{"space":"notes","text":"where is the kettle?"}' http://%[1]s/engram.v1.MemoryService/Recall
  grpcurl -plaintext -d '{"space":"%[2]s","text":"fsync"}' %[1]s engram.v1.MemoryService/Recall
  bin/engram status --addr %[1]s
`, srv.addr, demoSpace)
	select {
	case <-ctx.Done():
		v.printf("\nstopping\n")
		return nil
	case <-srv.done:
		return fmt.Errorf("the server ended by itself: %w", srv.err)
	}
}

// ownDocs are the Markdown files of the working directory.
func ownDocs() ([]string, error) {
	files, err := filepath.Glob("*.md")
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat("docs"); err == nil && info.IsDir() {
		files = append(files, "docs")
	}
	if len(files) == 0 {
		return nil, usageError("there are no Markdown files here; name the files to stream")
	}
	return files, nil
}

// child is a server in a process of its own.
type child struct {
	cmd  *exec.Cmd
	addr string
	done chan struct{}
	err  error // set before done is closed
}

// startTimeout is how long the server may take to read its journal back.
const startTimeout = 2 * time.Minute

// startChild starts a server and waits until it is ready.
func startChild(ctx context.Context, v *verb, f demoFlags) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(f.dataDir, 0o755); err != nil {
		return nil, err
	}
	listen := f.listen
	if taken(listen) {
		host, _, err := net.SplitHostPort(listen)
		if err != nil {
			return nil, usageError("--listen: %w", err)
		}
		v.printf("%s is taken; using another port\n", listen)
		listen = net.JoinHostPort(host, "0")
	}
	addrFile := filepath.Join(f.dataDir, "address")
	if err := os.Remove(addrFile); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	c := &child{done: make(chan struct{})}
	c.cmd = exec.Command(self, "serve", "--listen", listen, "--listen-file", addrFile, "--data-dir", f.dataDir, "--log-level", "warn") //nolint:gosec // our own binary
	c.cmd.Stderr = v.errs
	c.cmd.SysProcAttr = ownGroup()
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.done)
	}()
	if err := c.awaitReady(ctx, addrFile); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

func taken(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return true
	}
	_ = l.Close() //nolint:errcheck // only tried
	return false
}

// awaitReady reads the address and asks for the status until there is one.
func (c *child) awaitReady(ctx context.Context, addrFile string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-c.done:
			return fmt.Errorf("the server did not start: %w", c.err)
		case <-ctx.Done():
			return fmt.Errorf("the server is not ready: %w", ctx.Err())
		}
		b, err := os.ReadFile(addrFile) //nolint:gosec // our own file
		if err != nil {
			continue // not written yet
		}
		c.addr = strings.TrimSpace(string(b))
		client, err := engram.Dial(c.addr)
		if err != nil {
			return err
		}
		_, err = client.Status(ctx)
		client.Close()
		if err == nil {
			return nil
		}
	}
}

// stop drains the server and waits for its end.
func (c *child) stop() error {
	select {
	case <-c.done:
		return nil
	default:
	}
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-c.done
	return c.err
}
