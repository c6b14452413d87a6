package interop

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"google.golang.org/protobuf/proto"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

const service = "engram.v1.MemoryService/"

// call sends messages to a method by a program on the command line.
type call func(t *testing.T, method string, messages ...proto.Message) []byte

// talk is what a command-line client with bidirectional streams is put through.
// It can't wait between frames: it sends all three, then reads to the end.
func talk(t *testing.T, space string, do call) {
	t.Run("unary", func(t *testing.T) {
		checkObserved(t, parse(t, do(t, "Observe", &v1.ObserveRequest{Space: space, Observations: observations()}), new(v1.ObserveResponse)))
		checkRecalled(t, parse(t, do(t, "Recall", recall(space)), new(v1.RecallResponse)), len(facts))
	})
	t.Run("stream", func(t *testing.T) {
		checkSession(t, frames(t, do(t, "ObserveStream", initFrame(space+"-stream"), batchFrame(), closeFrame())))
		checkRecalled(t, parse(t, do(t, "Recall", recall(space+"-stream")), new(v1.RecallResponse)), batchSize)
	})
}

func recall(space string) *v1.RecallRequest {
	return &v1.RecallRequest{Space: space, Cue: &v1.RecallRequest_Text{Text: question}}
}

// input is the messages as a program reads them from its input.
func input(t *testing.T, messages []proto.Message) (all string) {
	for _, m := range messages {
		all += text(t, m) + "\n"
	}
	return all
}

// grpcurl knows the contract by reflection.
func grpcurl(addr string) func(t *testing.T) {
	return func(t *testing.T) {
		makefile, err := os.ReadFile(filepath.Join(root(t), "Makefile"))
		if err != nil {
			t.Fatal(err)
		}
		pin := regexp.MustCompile(`(?m)^GRPCURL_VERSION\s*:=\s*(v\S+)$`).FindSubmatch(makefile)
		if pin == nil {
			t.Fatal("the Makefile pins no version of grpcurl")
		}
		program := filepath.Join(root(t), ".cache", "bin", "grpcurl-"+string(pin[1]))
		install(t, program)
		ctx := deadline(t)
		talk(t, "grpcurl", func(t *testing.T, method string, messages ...proto.Message) []byte {
			return run(t, input(t, messages), exec.CommandContext(ctx, program, "-plaintext", "-d", "@", addr, service+method))
		})
	}
}

// bufCurl knows the contract by reflection, and speaks all three protocols.
func bufCurl(addr, protocol string) func(t *testing.T) {
	return func(t *testing.T) {
		need(t, "npm", "it comes with Node 20, and installs buf")
		install(t, "tools")
		program := filepath.Join(root(t), ".tools", "node_modules", ".bin", "buf")
		ctx := deadline(t)
		talk(t, "buf-curl-"+protocol, func(t *testing.T, method string, messages ...proto.Message) []byte {
			return run(t, input(t, messages), exec.CommandContext(ctx, program, "curl", "--protocol", protocol,
				"--http2-prior-knowledge", "-d", "@-", "http://"+addr+"/"+service+method))
		})
	}
}

// curl posts JSON, and asks once more by a GET that a cache could answer.
func curl(addr string) func(t *testing.T) {
	return func(t *testing.T) {
		program := need(t, "curl", "Debian package curl")
		ctx, base := deadline(t), "http://"+addr+"/"+service
		post := func(t *testing.T, method string, m proto.Message) []byte {
			return run(t, text(t, m), exec.CommandContext(ctx, program, "--silent", "--show-error", "--fail-with-body",
				"-H", "content-type: application/json", "-d", "@-", base+method))
		}
		t.Run("POST", func(t *testing.T) {
			checkObserved(t, parse(t, post(t, "Observe", &v1.ObserveRequest{Space: "curl", Observations: observations()}), new(v1.ObserveResponse)))
			checkRecalled(t, parse(t, post(t, "Recall", recall("curl")), new(v1.RecallResponse)), len(facts))
		})
		t.Run("GET", func(t *testing.T) {
			query := url.Values{"connect": {"v1"}, "encoding": {"json"}, "message": {text(t, recall("curl"))}}
			answer := run(t, "", exec.CommandContext(ctx, program, "--silent", "--show-error", "--fail-with-body", base+"Recall?"+query.Encode()))
			checkRecalled(t, parse(t, answer, new(v1.RecallResponse)), len(facts))
		})
	}
}
