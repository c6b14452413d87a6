package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// patience bounds every client: a hang becomes a failure.
const patience = time.Minute

// need skips a test when a program is missing.
func need(t *testing.T, program, from string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is missing: %s", program, from)
	}
	return path
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
