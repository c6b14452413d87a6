//go:build failpoints

package scenario

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	engram "github.com/engram-stream/engram/sdk/go"
)

// binary is the server under test, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "engram-scenario-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "engram")
	build := exec.Command("go", "build", "-tags", "failpoints", "-o", binary, "../cmd/engram")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the server: %v\n%s", err, out)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// server is a server in a process of its own.
type server struct {
	t       testing.TB
	dataDir string
	args    []string
	env     []string
	addr    string
	cmd     *exec.Cmd
	// within runs what starts the process; nil is here. See namespace.
	within func(func())
	attr   *syscall.SysProcAttr
}

// start runs a server with the given flags; failpoints may be "".
func start(t testing.TB, failpoints string, args ...string) *server {
	t.Helper()
	s := &server{t: t, dataDir: t.TempDir(), args: args}
	if failpoints != "" {
		s.env = append(s.env, "ENGRAM_FAILPOINTS="+failpoints)
	}
	s.run("127.0.0.1:0")
	t.Cleanup(s.kill)
	return s
}

// run starts the process and waits until it serves.
func (s *server) run(listen string) {
	s.t.Helper()
	if err := s.launch(listen); err != nil {
		s.t.Fatal(err)
	}
	s.ready()
}

// ready waits until the server serves.
func (s *server) ready() {
	s.t.Helper()
	c, ctx := s.dial()
	for {
		if st, err := c.Status(ctx); err == nil && st.State != v1.ServerState_SERVER_STATE_REPLAYING {
			return
		} else if ctx.Err() != nil {
			s.t.Fatalf("the server is not ready: %v", err)
		}
	}
}

// launch starts the process and waits until it says where it listens.
func (s *server) launch(listen string) error {
	s.cmd = exec.Command(binary, append([]string{"serve", "--listen", listen, "--data-dir", s.dataDir, "--log-level", "error"}, s.args...)...)
	s.cmd.Env = append(os.Environ(), s.env...)
	s.cmd.SysProcAttr = s.attr
	s.cmd.Stderr = s.t.Output()
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	begin := s.cmd.Start
	if s.within != nil {
		begin = func() (err error) {
			s.within(func() { err = s.cmd.Start() })
			return err
		}
	}
	if err := begin(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if _, s.addr, _ = strings.Cut(strings.TrimSpace(line), "http://"); err != nil || s.addr == "" {
		return errors.Join(fmt.Errorf("the server said %q: %w", line, err), s.cmd.Wait())
	}
	return nil
}

// kill ends the process as a crash would.
func (s *server) kill() {
	if s.cmd != nil && s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
}

// again starts the server anew on the same data and address.
func (s *server) again() {
	s.t.Helper()
	s.env = nil // the faults were for the life before
	s.run(s.addr)
}

// stop drains the server and checks that it ends well.
func (s *server) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Fatalf("the server ended with %v", err)
	}
}

// dial makes a client, and a context that bounds the whole test.
func (s *server) dial() (*engram.Client, context.Context) {
	s.t.Helper()
	c, err := engram.Dial(s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	s.t.Cleanup(cancel)
	return c, ctx
}

// vectors makes n distinct vectors, the same for the same seed.
func vectors(seed uint64, n, dim int) [][]float32 {
	r := rand.New(rand.NewPCG(seed, 7))
	out := make([][]float32, n)
	for i := range out {
		out[i] = make([]float32, dim)
		for j := range out[i] {
			out[i][j] = float32(r.NormFloat64())
		}
	}
	return out
}

// all lists a space: ids in generation order.
func all(t testing.TB, ctx context.Context, c *engram.Client, space string) []engram.Stored {
	t.Helper()
	var out []engram.Stored
	for s, err := range c.List(ctx, space, 0, nil) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// ids collects the ids, and fails when one comes twice.
func ids(t testing.TB, list []engram.Stored) map[string]bool {
	t.Helper()
	set := make(map[string]bool, len(list))
	for _, s := range list {
		if set[s.ID] {
			t.Fatalf("%s is there twice", s.ID)
		}
		set[s.ID] = true
	}
	return set
}

// soak is how many times as much work is done under make soak.
func soak(normal, long int) int {
	if os.Getenv("SOAK") != "" {
		return long
	}
	return normal
}
