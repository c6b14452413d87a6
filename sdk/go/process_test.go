package engram_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	engram "github.com/engram-stream/engram/sdk/go"
)

// process is a real server, in a process of its own: the SDK knows nothing of
// the server's packages.
type process struct {
	addr string
	cmd  *exec.Cmd
	dir  string
}

// shared is the server of those tests, and of the examples, that need it only to
// answer; it ends with the tests.
var shared struct {
	once sync.Once
	*process
	err error
}

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if shared.process != nil {
			shared.stop()
		}
		os.Exit(code)
	}))
}

// server is the shared server's address.
func server() string {
	shared.once.Do(func() { shared.process, shared.err = launch() })
	if shared.err != nil {
		panic(shared.err) // in an example there is nobody else to tell
	}
	return shared.addr
}

// launch builds the server, unless ENGRAM_SERVER names one, and starts it on a
// port of its own.
func launch() (*process, error) {
	dir, err := os.MkdirTemp("", "engram-sdk-go-")
	if err != nil {
		return nil, err
	}
	binary := os.Getenv("ENGRAM_SERVER")
	if binary == "" {
		binary = filepath.Join(dir, "engram")
		if out, err := exec.Command("go", "build", "-o", binary, "github.com/engram-stream/engram/service/cmd/engram").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build the server: %w\n%s", err, out)
		}
	}
	file := filepath.Join(dir, "address")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the server has its own
	p := &process{dir: dir, cmd: exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--listen-file", file, "--data-dir", filepath.Join(dir, "data"))}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if addr, err := os.ReadFile(file); err == nil && strings.HasSuffix(string(addr), "\n") {
			p.addr = strings.TrimSpace(string(addr))
			if p.ready() {
				return p, nil
			}
		}
	}
	said, _ := os.ReadFile(log.Name()) //nolint:errcheck // it is for the message
	p.stop()
	return nil, fmt.Errorf("the server is not ready:\n%s", said)
}

func (p *process) ready() bool {
	c, err := engram.Dial(p.addr)
	if err != nil {
		return false
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err = c.Status(ctx)
	return err == nil
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
	_ = p.cmd.Wait()                          //nolint:errcheck // how it ends is not what is tested
	_ = os.RemoveAll(p.dir)                   //nolint:errcheck // in a temporary directory
}

// proxy forwards connections to a server, cuts them, and turns them away. Owner:
// the test; its goroutines end with it.
type proxy struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu      sync.Mutex
	open    map[net.Conn]struct{}
	refuses bool
	from    int    // bytes that may still come from the server …
	armed   func() // … before this is called, once
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, open: map[net.Conn]struct{}{}}
	p.running.Add(1)
	go p.accept()
	t.Cleanup(func() {
		_ = l.Close() //nolint:errcheck // ends accept
		p.refuse(true)
		p.running.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	defer p.running.Done()
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.target)
		p.mu.Lock()
		if err != nil || p.refuses {
			p.mu.Unlock()
			reset(near)
			if err == nil {
				reset(far)
			}
			continue
		}
		p.open[near], p.open[far] = struct{}{}, struct{}{}
		p.running.Add(2)
		p.mu.Unlock()
		go p.pass(near, far, false)
		go p.pass(far, near, true)
	}
}

// pass copies one direction until a side ends, then resets both.
func (p *proxy) pass(from, to net.Conn, fromServer bool) {
	defer p.running.Done()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if fromServer {
				p.count(n)
			}
			if _, werr := to.Write(buf[:n]); werr != nil {
				err = werr
			}
		}
		if err != nil {
			p.mu.Lock()
			delete(p.open, from)
			delete(p.open, to)
			p.mu.Unlock()
			reset(from)
			reset(to)
			return
		}
	}
}

func (p *proxy) count(n int) {
	p.mu.Lock()
	act := p.armed
	if p.from -= n; p.from > 0 || act == nil {
		p.mu.Unlock()
		return
	}
	p.armed = nil
	p.mu.Unlock()
	act()
}

// onAnswer does f when n more bytes have come from the server.
func (p *proxy) onAnswer(n int, f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.from, p.armed = n, f
}

// cut resets every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		reset(c)
	}
	clear(p.open)
}

// refuse cuts, and turns new connections away, or takes them again.
func (p *proxy) refuse(yes bool) {
	p.mu.Lock()
	p.refuses = yes
	p.mu.Unlock()
	if yes {
		p.cut()
	}
}

func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0) //nolint:errcheck // it is closed either way
	}
	_ = c.Close() //nolint:errcheck // it may be closed already
}
