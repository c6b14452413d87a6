package engram_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The README's program runs as it is written, but for the server's address.
func TestReadmeRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("it is built anew, which the race detector learns nothing from")
	}
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(text, -1)
	if len(programs) != 1 {
		t.Fatalf("%d programs", len(programs))
	}
	program := strings.ReplaceAll(string(programs[0][1]), "127.0.0.1:50051", server())
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "go", "run", file).CombinedOutput()
	if err != nil || string(out) != "the kettle is in the red box\n" {
		t.Fatalf("%v\n%s", err, out)
	}
}
