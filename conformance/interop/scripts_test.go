package interop

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// report is what a script prints about one way of speaking: the server's
// answers, as JSON of the contract. A script judges nothing; that is done here.
type report struct {
	Client         string
	Observed       json.RawMessage
	Recalled       json.RawMessage
	Frames         []json.RawMessage // of the session
	StreamRecalled json.RawMessage   // from the session's space, once visible
}

// exchange is what a script reads: what it is to send, as JSON of the contract.
func exchange(t *testing.T) string {
	t.Helper()
	var said struct {
		Facts, Batch json.RawMessage
		Question     string
	}
	said.Facts = json.RawMessage(text(t, &v1.ObservationBatch{Observations: observations()}))
	said.Batch = json.RawMessage(text(t, &v1.ObservationBatch{FirstSequence: 1, Observations: batch()}))
	said.Question = question
	data, err := json.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// checkReports holds every report that a script printed to the expectations that
// the clients in Go are held to. wanted are the ways of speaking.
func checkReports(t *testing.T, printed []byte, wanted ...string) {
	t.Helper()
	var reports []report
	if err := json.Unmarshal(printed, &reports); err != nil {
		t.Fatalf("%v in %s", err, printed)
	}
	if len(reports) != len(wanted) {
		t.Fatalf("%d reports, want %v: %s", len(reports), wanted, printed)
	}
	for i, r := range reports {
		t.Run(wanted[i], func(t *testing.T) {
			if r.Client != wanted[i] {
				t.Fatalf("the report is of %q", r.Client)
			}
			checkObserved(t, parse(t, r.Observed, new(v1.ObserveResponse)))
			checkRecalled(t, parse(t, r.Recalled, new(v1.RecallResponse)), len(facts))
			var all []*v1.ObserveStreamResponse
			for _, f := range r.Frames {
				all = append(all, parse(t, f, new(v1.ObserveStreamResponse)))
			}
			checkSession(t, all)
			checkRecalled(t, parse(t, r.StreamRecalled, new(v1.RecallResponse)), batchSize)
		})
	}
}

// connectNode speaks from Node, over HTTP/2 without TLS.
func connectNode(addr string) func(t *testing.T) {
	return func(t *testing.T) {
		node := need(t, "node", "Node 20 is not installed")
		need(t, "npm", "it comes with Node 20, and installs connect-node")
		install(t, "wire-node")
		modules := filepath.Join(root(t), "conformance", "interop", "node", "node_modules")
		esbuild := filepath.Join(modules, ".bin", "esbuild")
		ctx, bundle := deadline(t), filepath.Join(t.TempDir(), "client.mjs")
		build := exec.CommandContext(ctx, esbuild, "node/client.ts", "--bundle", "--platform=node", "--format=esm",
			"--target=node20", "--log-level=warning", "--outfile="+bundle)
		build.Env = append(os.Environ(), "NODE_PATH="+modules) // for the generated messages, which may have no modules of their own here
		run(t, "", build)
		checkReports(t, run(t, exchange(t), exec.CommandContext(ctx, node, bundle, addr)), "connect", "grpc", "grpc-web")
	}
}

// grpcio speaks from Python, in both of its styles.
func grpcio(addr string) func(t *testing.T) {
	return func(t *testing.T) {
		system := need(t, "python3", "Python 3.11 is not installed")
		if err := tryInstall(t, "venv"); err != nil {
			if exec.CommandContext(t.Context(), system, "-c", "import ensurepip").Run() != nil {
				t.Skipf("python3-venv, a Debian package, is missing: %v", err)
			}
			t.Fatal(err)
		}
		python := filepath.Join(root(t), ".cache", "venv", "bin", "python")
		script := exec.CommandContext(deadline(t), python, "-B", "python/client.py", addr)
		script.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(root(t), "sdk", "python"))
		checkReports(t, run(t, exchange(t), script), "grpcio-sync", "grpcio-aio")
	}
}
