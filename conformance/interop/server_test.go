package interop

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// log keeps what the server says, for when a test fails.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// start runs the server and gives its address, host:port. It is told to stop
// when the test ends, and must then end in good order; one that does not is
// killed, and the test fails.
func start(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	listenFile := filepath.Join(dir, "address")
	said := new(log)
	cmd := exec.Command(binary(t), "serve", "--listen", "127.0.0.1:0", "--listen-file", listenFile, "--data-dir", filepath.Join(dir, "data"))
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// One goroutine waits for the process, for as long as it lives.
	ended := make(chan struct{})
	var outcome error
	go func() {
		defer close(ended)
		outcome = cmd.Wait()
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("stop the server: %v", err)
		}
		select {
		case <-ended:
		case <-time.After(patience):
			t.Errorf("the server has not stopped %v after being told to", patience)
			if err := cmd.Process.Kill(); err != nil {
				t.Errorf("kill the server: %v", err)
			}
			<-ended
		}
		if outcome != nil {
			t.Errorf("the server ended with %v", outcome)
		}
		if t.Failed() {
			t.Logf("the server said:\n%s", said)
		}
	})
	var addr string
	await(t, ended, "the address of the server", func(context.Context) bool {
		written, err := os.ReadFile(listenFile)
		addr = strings.TrimSpace(string(written))
		return err == nil && addr != ""
	})
	// It listens before it has read its journal.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	await(t, ended, "/readyz of the server", func(ctx context.Context) bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			return false
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusOK
	})
	await(t, ended, "the line with the address", func(context.Context) bool {
		return strings.Contains(said.String(), "http://"+addr)
	})
	return addr
}

// await asks until something holds: nothing but asking tells when the server
// is there. It gives up when the server has ended, or patience has.
func await(t *testing.T, ended <-chan struct{}, what string, holds func(context.Context) bool) {
	t.Helper()
	ctx := deadline(t)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !holds(ctx) {
		select {
		case <-again.C:
		case <-ended:
			t.Fatalf("the server ended before %s was there", what)
		case <-ctx.Done():
			t.Fatalf("%s is not there in time", what)
		}
	}
}

// binary is the server: INTEROP_SERVER, or else built from these sources, by
// the flags of `make build` so that the compiler's work is shared. A binary
// that lies about could be older than the sources, so it is not taken unasked.
func binary(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("INTEROP_SERVER"); path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), "engram")
	ctx, cancel := context.WithTimeout(t.Context(), installing)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "./service/cmd/engram")
	build.Dir = root(t)
	run(t, "", build)
	return path
}
