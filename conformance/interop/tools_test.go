package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

const (
	patience   = time.Minute     // bounds every client: a hang becomes a failure
	installing = 2 * time.Minute // bounds what has to be fetched and built for one
)

// root is the top of the work tree, where the Makefile is.
func root(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// need skips a test when a program of the system is missing.
func need(t *testing.T, program, from string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is missing: %s", program, from)
	}
	return path
}

// install lets the Makefile install what one of its targets stands for, in the
// version that is pinned there; what is installed already is left alone.
func install(t *testing.T, target string) {
	t.Helper()
	if err := tryInstall(t, target); err != nil {
		t.Fatal(err)
	}
}

func tryInstall(t *testing.T, target string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), installing)
	defer cancel()
	cmd := exec.CommandContext(ctx, need(t, "make", "Debian package make"), "-s", target)
	cmd.Dir = root(t)
	// What it starts ends with it: they are one process group.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "MAKE") && !strings.HasPrefix(e, "MFLAGS") { // of a make above this test
			cmd.Env = append(cmd.Env, e)
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make %s: %w\n%s", target, err, out)
	}
	return nil
}

// run runs a program to its end and returns what it printed.
func run(t *testing.T, stdin string, cmd *exec.Cmd) []byte {
	t.Helper()
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s%s", cmd.Args, err, &out, &said)
	}
	return out.Bytes()
}

// deadline is the context of one client.
func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// text encodes a message as the clients on the command line take it.
func text(t *testing.T, m proto.Message) string {
	t.Helper()
	data, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// parse decodes one message of JSON.
func parse[M proto.Message](t *testing.T, data []byte, into M) M {
	t.Helper()
	if err := protojson.Unmarshal(data, into); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return into
}

// frames decodes the messages of a stream, one JSON object after the other.
func frames(t *testing.T, data []byte) (list []*v1.ObserveStreamResponse) {
	t.Helper()
	for d := json.NewDecoder(bytes.NewReader(data)); ; {
		var raw json.RawMessage
		if err := d.Decode(&raw); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatalf("%v in %s", err, data)
		}
		list = append(list, parse(t, raw, new(v1.ObserveStreamResponse)))
	}
}
