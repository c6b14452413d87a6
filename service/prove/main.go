// Command prove measures a server of this build, as a process of its own with a
// client beside it, and writes what it saw, with the date, the machine and the
// command, into a file. It judges nothing; tests never time anything.
//
//	make prove
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	out := flag.String("out", "docs/measurements", "folder to write the results to")
	quick := flag.Bool("quick", false, "a tenth of the work, to see that it runs; the figures mean little")
	only := flag.String("only", "", "parts, separated by commas: streaming, recalling, seeing, restart (or restart-large, restart-many) and large; nothing is written then")
	asks := flag.String("ask", "", "be the process that asks the server at this address; what it asks is read from standard input")
	flag.Parse()
	if *asks != "" {
		if err := ask(*asks, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "prove: ask:", err)
			os.Exit(1)
		}
		return
	}
	if err := prove(*out, wanted(*only), *quick); err != nil {
		fmt.Fprintln(os.Stderr, "prove:", err)
		os.Exit(1)
	}
}

// report is a Markdown page under way.
type report struct{ strings.Builder }

func (r *report) linef(format string, args ...any) {
	fmt.Fprintf(r, format+"\n", args...)
	fmt.Printf(format+"\n", args...)
}

// parts are those that are asked for; none is all.
type parts []string

func wanted(only string) parts {
	if only == "" {
		return nil
	}
	return strings.Split(only, ",")
}

func (p parts) has(name string) bool { return len(p) == 0 || slices.Contains(p, name) }

// oneOf reports whether any of the names is asked for.
func (p parts) oneOf(names ...string) bool { return slices.ContainsFunc(names, p.has) }

func prove(out string, only parts, quick bool) error {
	known := []string{"streaming", "recalling", "seeing", "restart", "restart-large", "restart-many", "large"}
	for _, name := range only {
		if !slices.Contains(known, name) {
			return fmt.Errorf("there is no part %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	dir, err := os.MkdirTemp("", "engram-prove-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "engram")
	if b, err := exec.Command("go", "build", "-o", bin, "./service/cmd/engram").CombinedOutput(); err != nil {
		return fmt.Errorf("build the server: %w\n%s", err, b)
	}
	r := &report{}
	r.linef("# Streaming and recall, %s", time.Now().Format(time.DateOnly))
	r.linef("")
	r.linef("Command: `make prove`. Server and client are two processes on one machine: %d cores (%s), %s, Linux file system under the system's temporary folder.",
		runtime.NumCPU(), cpuModel(), runtime.Version())
	for _, part := range []struct {
		name    string
		measure func(*report, *server, bool) error
	}{{"streaming", streaming}, {"recalling", recalling}, {"seeing", seeing}} {
		if !only.has(part.name) {
			continue
		}
		s, err := start(bin, filepath.Join(dir, fmt.Sprintf("data-%d", time.Now().UnixNano())))
		if err != nil {
			return err
		}
		if err := errorsJoin(part.measure(r, s, quick), s.stop()); err != nil {
			return err
		}
	}
	if only.oneOf("restart", "restart-large", "restart-many") {
		if err := restarting(r, bin, dir, only, quick); err != nil {
			return err
		}
	}
	if only.has("large") {
		if err := large(r, bin, dir, quick); err != nil {
			return err
		}
	}
	if quick || len(only) > 0 {
		return nil
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, time.Now().Format(time.DateOnly)+"-streaming.md"), []byte(r.String()), 0o644) //nolint:gosec // a page of the docs
}

func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for _, line := range strings.Split(string(b), "\n") {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return runtime.GOARCH
}

// server is the process that is measured.
type server struct {
	cmd  *exec.Cmd
	addr string
}

func start(bin, data string, flags ...string) (*server, error) {
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--data-dir", data, "--log-level", "error"}, flags...)
	s := &server{cmd: exec.Command(bin, args...)} //nolint:gosec // our own binary
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, err
	}
	_, s.addr, _ = strings.Cut(strings.TrimSpace(line), "http://")
	c, err := dial(s)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		if _, err := c.Status(ctx); err == nil || ctx.Err() != nil {
			return s, err
		}
	}
}

// cpu is the processor time the server has used.
func (s *server) cpu() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+2:]))
	var user, system int64
	if _, err := fmt.Sscan(f[11], &user); err != nil {
		return 0
	}
	if _, err := fmt.Sscan(f[12], &system); err != nil {
		return 0
	}
	return time.Duration(user+system) * 10 * time.Millisecond // in ticks of 1/100 s
}

func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return s.cmd.Wait()
}
