package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// client runs a client verb against a server, as a process of its own.
type client struct {
	t    *testing.T
	addr string
}

// served starts a server for a test. It ends with the test's context.
func served(t *testing.T) client {
	t.Helper()
	p, addr := serving(t)
	t.Cleanup(func() { _ = exitCode(t, p) })
	return client{t, addr}
}

// run gives what the verb printed, and wants an exit code.
func (c client) run(code int, stdin string, args ...string) (out, errs string) {
	c.t.Helper()
	p := runEngram(c.t, args...)
	p.Env = append(p.Env, "ENGRAM_ADDR="+c.addr)
	var o, e bytes.Buffer
	p.Stdin, p.Stdout, p.Stderr = strings.NewReader(stdin), &o, &e
	if err := p.Start(); err != nil {
		c.t.Fatal(err)
	}
	if got := exitCode(c.t, p); got != code {
		c.t.Fatalf("engram %s ended with %d, want %d:\n%s%s", strings.Join(args, " "), got, code, &o, &e)
	}
	return o.String(), e.String()
}

// says runs a verb and wants a text in what it prints on either output.
func (c client) says(text string, code int, args ...string) {
	c.t.Helper()
	out, errs := c.run(code, "", args...)
	if !strings.Contains(out+errs, text) {
		c.t.Errorf("engram %s does not say %q:\n%s%s", strings.Join(args, " "), text, out, errs)
	}
}

func TestClientVerbs(t *testing.T) {
	c := served(t)
	const lines = "the kettle is in the red box\nthe keys hang by the door\n"
	var sum summary
	for i, fresh := range []uint64{2, 0} { // the second time nothing is new
		out, _ := c.run(exitOK, lines, "observe", "notes", "--json")
		if err := json.Unmarshal([]byte(out), &sum); err != nil || sum.Observed != 2 || sum.New != fresh || strings.Count(out, "\n") != 1 {
			t.Fatalf("run %d: %s %v", i, out, err)
		}
	}
	c.says("the kettle is in the red box\n        stdin:1", exitOK, "recall", "notes", "where", "is", "the", "kettle", "--limit", "1")
	c.says("the keys", exitOK, "recall", "notes", "kettle", "--filter", "metadata.line=2")
	c.says("SPACE_NOT_FOUND", exitNotFound, "recall", "nowhere", "x")
	c.says("nope", exitNotFound, "get", "notes", "nope")
	c.says("what is to be recalled", exitUsage, "recall", "notes")
	c.says("space", exitUsage, "observe", "BAD NAME")
	c.says("--yes", exitUsage, "forget", "notes", "--filter", "metadata.line=1")
	c.says("start one with 'engram serve'", exitUnavailable, "status", "--addr", "127.0.0.1:1")
	c.says("notes", exitOK, "spaces", "list")
	c.says("CLOSED", exitOK, "sessions", "list", "notes")
	c.says("SERVING", exitOK, "status")

	// What list prints as JSON, observe takes.
	out, _ := c.run(exitOK, "", "list", "notes", "--json")
	var again strings.Builder
	for line := range strings.Lines(out) {
		var s struct{ Observation json.RawMessage }
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatal(line, err)
		}
		again.Write(append(s.Observation, '\n'))
	}
	file := filepath.Join(t.TempDir(), "notes.jsonl")
	if err := os.WriteFile(file, []byte(again.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	c.says("2 observed, 2 new", exitOK, "observe", "copy", file)
	c.says("forgot 1", exitOK, "forget", "copy", "--filter", "metadata.line=1", "--yes")
	c.says(`"forgotten":1`, exitOK, "spaces", "delete", "copy", "--yes", "--json")

	if err := os.WriteFile(file, []byte(`{"content":"kept"}`+"\n"+`{"content":"not kept","importance":9}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.says("2 observed, 1 new, 0 already there, 1 rejected", exitFailed, "observe", "half", file, "--ack", "indexed")
	if err := os.WriteFile(file, []byte(`{"content":"kept"}`+"\n"+"no object\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.says("notes.jsonl:2", exitFailed, "observe", "half", file)
}

// An interrupt ends a read that waits for more, and what was read is kept.
func TestObserveFinishesWhenInterrupted(t *testing.T) {
	c := served(t)
	p := runEngram(t, "observe", "notes", "--addr", c.addr)
	in, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	p.Stdout, p.Stderr = &out, t.Output()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, "a line from a long pipe\n"); err != nil {
		t.Fatal(err)
	}
	awaitLine(t, c.addr, "a line from a long pipe")
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(t, p); code != exitInterrupted || !strings.Contains(out.String(), "1 observed, 1 new") {
		t.Fatalf("exit code %d:\n%s", code, &out)
	}
	c.says("a line from a long pipe", exitOK, "list", "notes")
}

// awaitLine returns once watch shows an observation of the space notes, which
// may have to be made first.
func awaitLine(t *testing.T, addr, text string) {
	t.Helper()
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		p := runEngram(t, "watch", "notes", "--since", "0", "--addr", addr)
		out, err := p.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		found := lines.Scan() && strings.Contains(lines.Text(), text)
		if found {
			if err := p.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
		if code := exitCode(t, p); found && code != exitOK || !found && code != exitNotFound {
			t.Fatalf("watch ended with %d, the line was seen: %v", code, found)
		}
		if found {
			tick.Stop()
			return
		}
	}
}

// A demo shows what it recalls, and the second finds everything there.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "box.md")
	if err := os.WriteFile(file, []byte("# Kitchen\n\nThe kettle is in the red box.\n\n# Hall\n\nThe keys hang by the door.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, counts := range []string{"2 new, 0 already there", "0 new, 2 already there"} {
		var out bytes.Buffer
		p := runEngram(t, "demo", file, "--data-dir", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0", "--ask", "where is the kettle?", "--exit")
		p.Stdout, p.Stderr = &out, t.Output()
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		if code := exitCode(t, p); code != exitOK || !strings.Contains(out.String(), counts) || !strings.Contains(out.String(), "The kettle is in the red box.\n") {
			t.Fatalf("exit code %d, want %s:\n%s", code, counts, &out)
		}
	}
}
