package interop

import (
	"bufio"
	"bytes"
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
// when the test ends, and must then end in good order.
func start(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	listenFile := filepath.Join(dir, "address")
	said := new(log)
	cmd := exec.Command(binary(t), "serve", "--listen", "127.0.0.1:0", "--listen-file", listenFile, "--data-dir", filepath.Join(dir, "data"))
	cmd.Stderr = said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	up := lines.Scan() // the line with the address; none when it ends before
	greeting := lines.Text()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines.Scan() {
		}
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("server: %v", err)
		}
		<-drained
		if err := cmd.Wait(); err != nil {
			t.Errorf("server: %v", err)
		}
		if t.Failed() {
			t.Logf("the server said:\n%s", said)
		}
	})
	if !up {
		t.Fatal("the server ended before it listened")
	}
	written, err := os.ReadFile(listenFile)
	if err != nil {
		t.Fatal(err)
	}
	addr := strings.TrimSpace(string(written))
	if !strings.HasSuffix(greeting, "http://"+addr) {
		t.Fatalf("the server says %q and writes %q", greeting, addr)
	}
	awaitReady(t, addr)
	return addr
}

// awaitReady asks until the server has read its journal. It listens before
// that, and nothing but asking tells when it is done.
func awaitReady(t *testing.T, addr string) {
	t.Helper()
	ctx := deadline(t)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for again := time.NewTicker(20 * time.Millisecond); ; {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if res.StatusCode == http.StatusOK {
			again.Stop()
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("not ready in time: %s", res.Status)
		}
	}
}

// binary is the server: INTEROP_SERVER, or else built from these sources.
func binary(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("INTEROP_SERVER"); path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), "engram")
	build := exec.Command("go", "build", "-o", path, "./service/cmd/engram")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the server: %v\n%s", err, out)
	}
	return path
}
