package matrix

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// server is a server in a process of its own. Owner: the test, which ends it.
type server struct {
	binary, dir string
	flags       []string
	addr        string
	cmd         *exec.Cmd
}

// startServer runs a server on an empty directory.
func startServer(t *testing.T, flags ...string) *server {
	t.Helper()
	s := &server{binary: binary(t), dir: t.TempDir(), flags: flags}
	if err := s.run(t.Context(), "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.end(syscall.SIGKILL); err != nil {
			t.Errorf("end the server: %v", err)
		}
	})
	return s
}

// run starts the process and waits until it serves.
func (s *server) run(ctx context.Context, listen string) error {
	s.cmd = exec.Command(s.binary, append([]string{"serve", "--listen", listen, "--data-dir", filepath.Join(s.dir, "data"), "--log-level", "error"}, s.flags...)...)
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the server said %q: %w", line, err)
	}
	_, s.addr, _ = strings.Cut(strings.TrimSpace(line), "http://")
	// It listens before it has read its journal: nothing but asking tells.
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		if res, err := client.Get("http://" + s.addr + "/readyz"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for the server: %w", ctx.Err())
		}
	}
}

// end signals the process and waits for its end.
func (s *server) end(signal syscall.Signal) error {
	if err := s.cmd.Process.Signal(signal); err != nil {
		return err
	}
	if err := s.cmd.Wait(); err != nil && signal != syscall.SIGKILL {
		return err
	}
	return nil
}

// binary is the server: MATRIX_SERVER, or what `make build` makes.
func binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("MATRIX_SERVER")
	if path == "" {
		path = filepath.Join(root(t), "bin", "engram")
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run make build, or name the server in MATRIX_SERVER", err)
	}
	return path
}

// root is the top of the work tree.
func root(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return path
}
