package matrix

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// driver is how one SDK is driven. missing says why it cannot be here.
type driver struct {
	name    string
	missing string
	lacks   map[string]string // operations that its language does not have, and why
	run     func(ctx context.Context, script []byte) ([]byte, error)
}

// drivers builds what is there, and names what is not.
func drivers(t *testing.T, c *control) []driver {
	t.Helper()
	dir, top := t.TempDir(), root(t)
	goDriver := filepath.Join(dir, "go-driver")
	do(t, "go", "build", "-o", goDriver, "./drivers/go")
	list := []driver{{name: "go", run: program(goDriver)}}

	python := os.Getenv("MATRIX_PYTHON")
	if python == "" {
		python = filepath.Join(top, ".cache", "venv", "bin", "python")
	}
	p := driver{name: "python", run: program(python, "-B", "drivers/python/driver.py")}
	a := driver{name: "python-aio", run: program(python, "-B", "drivers/python/driver.py", "--aio")}
	p.lacks = map[string]string{"cancel": "waits that block end by their deadline alone"}
	if _, err := os.Stat(python); err != nil {
		p.missing, a.missing = "the venv of make venv-sdk is missing", "the venv of make venv-sdk is missing"
	}
	list = append(list, p, a)

	n, b := driver{name: "node"}, driver{name: "browser"}
	sdk := filepath.Join(top, "sdk", "typescript")
	if _, err := os.Stat(filepath.Join(sdk, "node_modules", ".bin", "esbuild")); err != nil {
		n.missing, b.missing = "the TypeScript SDK is not built: make sdk/typescript/dist/node.js", "the TypeScript SDK is not built"
		return append(list, n, b, rust())
	}
	bundle(t, sdk, "node", "node", filepath.Join(dir, "node.mjs"))
	n.run = program("node", filepath.Join(dir, "node.mjs"))
	if _, err := exec.LookPath("chromium"); err != nil {
		b.missing = "the Debian package chromium is missing"
	} else {
		bundle(t, sdk, "page", "browser", filepath.Join(dir, "page.js"))
		page, err := os.ReadFile(filepath.Join(dir, "page.js"))
		if err != nil {
			t.Fatal(err)
		}
		c.page = page
		chromium(t, c)
		b.run = c.inBrowser
	}
	return append(list, n, b, rust())
}

func rust() driver {
	path := os.Getenv("MATRIX_DRIVER_RUST")
	if path == "" {
		return driver{name: "rust", missing: "MATRIX_DRIVER_RUST names no driver"}
	}
	return driver{name: "rust", run: program(path)}
}

// program runs a driver that is a program.
func program(name string, args ...string) func(context.Context, []byte) ([]byte, error) {
	return func(ctx context.Context, script []byte) ([]byte, error) {
		var out, said bytes.Buffer
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Env = append(os.Environ(), "PYTHONPATH=../../sdk/python")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(script), &out, &said
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("%w\n%s", err, &said)
		}
		return out.Bytes(), nil
	}
}

func bundle(t *testing.T, sdk, entry, platform, out string) {
	t.Helper()
	do(t, filepath.Join(sdk, "node_modules", ".bin", "esbuild"), "drivers/typescript/"+entry+".ts", "--bundle", "--format=esm", "--target=es2022",
		"--platform="+platform, "--log-level=warning", "--outfile="+out,
		"--banner:js="+map[string]string{"node": "import{createRequire}from'node:module';const require=createRequire(import.meta.url);", "browser": ""}[platform],
		"--alias:@engram-stream/client/node="+filepath.Join(sdk, "dist", "node.js"), "--alias:@engram-stream/client/web="+filepath.Join(sdk, "dist", "web.js"))
}

func do(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// chromium opens the page, for as long as the test lives.
func chromium(t *testing.T, c *control) {
	t.Helper()
	profile, err := os.MkdirTemp("", "engram-matrix-")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("chromium", "--headless", "--no-sandbox", "--no-first-run", "--disable-gpu", "--disable-quic",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir="+profile, c.URL+"/")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it ends its own processes
		_ = cmd.Wait()
		for range 10 { // which may still be writing
			if err = os.RemoveAll(profile); err == nil {
				return
			}
		}
		t.Logf("remove the browser's profile: %v", err)
	})
}

// inBrowser hands a script to the page and takes its result.
func (c *control) inBrowser(ctx context.Context, script []byte) ([]byte, error) {
	select {
	case c.scripts <- script:
	case <-ctx.Done():
		return nil, fmt.Errorf("hand the script to the page: %w", ctx.Err())
	}
	select {
	case r := <-c.results:
		return r, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the page: %w", ctx.Err())
	}
}

// result is what a driver printed.
type result struct {
	Steps []map[string]any `json:"steps"`
	Truth []map[string]any `json:"-"` // what the server itself held then
}

func parse(printed []byte, steps int) (r result, err error) {
	if err = json.Unmarshal(printed, &r); err == nil && len(r.Steps) != steps {
		err = fmt.Errorf("%d results of %d steps", len(r.Steps), steps)
	}
	if err != nil {
		err = fmt.Errorf("%w in %s", err, short(string(printed)))
	}
	return r, err
}
