package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// asProcess makes the test binary behave as engram itself.
const asProcess = "ENGRAM_TEST_AS_PROCESS"

func TestMain(m *testing.M) {
	if os.Getenv(asProcess) != "" {
		main()
		os.Exit(exitOK)
	}
	goleak.VerifyTestMain(m)
}

// probe asks /readyz, over a connection that is not kept.
func probe(addr string) (int, error) {
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	res, err := c.Get("http://" + addr + "/readyz")
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

func runEngram(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self, args...)
	c.Env = append(os.Environ(), asProcess+"=1")
	return c
}

// exitCode waits for a process and gives the code it ended with.
func exitCode(t *testing.T, c *exec.Cmd) int {
	t.Helper()
	err := c.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode()
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"version --json", exitOK, `"version"`},
		{"config check", exitOK, "valid"},
		{"config print", exitOK, "listen"},
		{"completion bash", exitOK, "completion"},
		{"", exitOK, "Exit codes"},
		{"bogus", exitUsage, "unknown command"},
		{"serv", exitUsage, `did you mean "serve"`},
		{"config prnt", exitUsage, "unknown command"},
		{"serve extra", exitUsage, "--help"},
		{"serve --nope", exitUsage, "--nope"},
		{"config check --listen=zzz", exitConfig, "listen"},
		{"serve --listen=zzz", exitConfig, "listen"},
	} {
		t.Run(c.args, func(t *testing.T) {
			var out bytes.Buffer
			p := runEngram(t, strings.Fields(c.args)...)
			p.Stdout, p.Stderr = &out, &out
			if err := p.Start(); err != nil {
				t.Fatal(err)
			}
			if code := exitCode(t, p); code != c.code || !strings.Contains(out.String(), c.says) {
				t.Fatalf("exit code %d, want %d, saying %q:\n%s", code, c.code, c.says, out.String())
			}
		})
	}
}

// serving starts a server as a process and gives its address once it is ready.
func serving(t *testing.T) (*exec.Cmd, string) {
	t.Helper()
	return servingFrom(t, t.TempDir())
}

// servingFrom is serving with a data directory.
func servingFrom(t *testing.T, dir string) (*exec.Cmd, string) {
	t.Helper()
	p := runEngram(t, "serve", "--listen=127.0.0.1:0", "--data-dir="+dir, "--drain-timeout=60s")
	p.Stderr = t.Output()
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	_, addr, found := strings.Cut(strings.TrimSpace(line), "http://")
	if err != nil || !found {
		t.Fatalf("the server does not say where it is: %q %v", line, err)
	}
	for range time.Tick(10 * time.Millisecond) {
		code, err := probe(addr)
		if err != nil {
			t.Fatal(err)
		}
		if code == http.StatusOK {
			break
		}
	}
	return p, addr
}

func TestSignalDrains(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		p, _ := serving(t)
		if err := p.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if code := exitCode(t, p); code != exitOK {
			t.Errorf("after %v the exit code is %d, want %d", sig, code, exitOK)
		}
	}
}

// A client that sends half a call holds the drain up; a second signal does not
// wait for it.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	for sig, want := range map[syscall.Signal]int{syscall.SIGINT: exitInterrupted, syscall.SIGTERM: exitTerminated} {
		p, addr := serving(t)
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		const call = "POST /engram.v1.MemoryService/Observe HTTP/1.1\r\nHost: engram\r\nExpect: 100-continue\r\n" +
			"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n"
		if _, err := fmt.Fprint(conn, call); err != nil {
			t.Fatal(err)
		}
		// The server asks for the body: the call is under way.
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
			t.Fatalf("%q %v", line, err)
		}
		if err := p.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		awaitNotReady(t, addr)
		if err := p.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if code := exitCode(t, p); code != want {
			t.Errorf("after %v twice the exit code is %d, want %d", sig, code, want)
		}
		_ = conn.Close()
	}
}

// awaitNotReady returns once the server has begun to drain: it says so, or
// takes no more connections.
func awaitNotReady(t *testing.T, addr string) {
	t.Helper()
	for range time.Tick(10 * time.Millisecond) {
		if code, err := probe(addr); err != nil || code != http.StatusOK {
			return
		}
	}
}
