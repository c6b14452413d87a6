package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	engram "github.com/engram-stream/engram/sdk/go"
)

// told is what differs between two exports of the same observations.
var told = regexp.MustCompile(`,"generation":\d+,"committed_at":"[^"]*"|"space":"[^"]*","generation":\d+,"exported_at":"[^"]*",`)

func exported(t *testing.T, c client, space string, flags ...string) []string {
	t.Helper()
	out, _ := c.run(exitOK, "", append([]string{"export", space}, flags...)...)
	return strings.Split(strings.TrimSuffix(told.ReplaceAllString(out, ""), "\n"), "\n")
}

// fill gives the space notes of a server observations of every kind.
func fill(t *testing.T, c client) {
	t.Helper()
	client, err := engram.Dial(c.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	threshold := uint64(77)
	_, _, err = client.CreateSpace(t.Context(), "notes", engram.NewSpace{
		Metric: engram.Euclidean, Embedder: "hashing", IndexThreshold: &threshold, MaxCount: 5000, MaxBytes: 1 << 40, Quotas: engram.Quotas{Observations: 9000},
	})
	if err != nil {
		t.Fatal(err)
	}
	batch := []engram.Observation{
		{ID: "text", Content: "the kettle is <in> the & red box\n\u2028 ä 漢"},
		{ID: "full", Content: "x", Confidence: engram.Confidence(0.25), Importance: 0.1, EmotionalValence: -0.5, DecayRate: 2, Priority: engram.High,
			Context:  engram.Context{Location: "hall", Participants: []string{"a", "b"}, Reason: "why", Method: "how"},
			Metadata: map[string]any{"n": 1.5, "s": "</x>", "l": []any{true, nil}, "m": map[string]any{"k": "v"}}},
		{Content: "no id of its own"},
		{ID: "old", Content: "first"},
	}
	if _, err := client.Observe(t.Context(), "notes", batch); err != nil {
		t.Fatal(err)
	}
	vector := make([]float32, 0)
	found, _, err := client.Get(t.Context(), "notes", "text")
	if err != nil {
		t.Fatal(err)
	}
	for i := range found[0].Vector {
		vector = append(vector, 1/float32(i+3))
	}
	more := []engram.Observation{{ID: "old", Content: "second", Replace: true}, {ID: "vector", Vector: vector}, {ID: "half", Vector: vector, HalfPrecision: true}}
	for i := range 1100 { // several pages
		more = append(more, engram.Observation{ID: fmt.Sprint("row-", i), Content: fmt.Sprint("line ", i)})
	}
	for len(more) > 0 {
		n := min(500, len(more))
		if _, err := client.Observe(t.Context(), "notes", more[:n]); err != nil {
			t.Fatal(err)
		}
		more = more[n:]
	}
	if _, err := client.Forget(t.Context(), "notes", "row-7"); err != nil {
		t.Fatal(err)
	}
}

// What was exported is the same after an import into another server, and
// importing it again adds nothing.
func TestExportComesBack(t *testing.T) {
	from, to := served(t), served(t)
	fill(t, from)
	file := filepath.Join(t.TempDir(), "notes.jsonl")
	from.says("exported 1105 observations of notes", exitOK, "export", "notes", "--out", file)
	want := exported(t, from, "notes")
	if len(want) != 1107 {
		t.Fatalf("%d lines", len(want))
	}

	to.says("1105 lines: 1105 new, 0 already there, 0 unsound", exitOK, "import", "copy", file)
	if diff := cmp.Diff(want, exported(t, to, "copy")); diff != "" {
		t.Fatal("after the import (-want +got):\n", diff)
	}
	to.says("1105 lines: 0 new, 1105 already there, 0 unsound", exitOK, "import", "copy", file)
	to.says(`"index_threshold":77`, exitOK, "spaces", "get", "copy", "--json")

	// Lists of numbers and texts alone come back too; a space that is there keeps its settings.
	lists := exported(t, from, "notes", "--vectors", "list")
	out, errs := to.run(exitOK, strings.Join(lists, "\n"), "import", "lists")
	if !strings.Contains(out, "1105 new") {
		t.Fatal(out, errs)
	}
	if diff := cmp.Diff(want, exported(t, to, "lists")); diff != "" {
		t.Fatal("after the import of lists (-want +got):\n", diff)
	}
	to.run(exitOK, "", "spaces", "create", "flat", "--dim", "3")
	to.says("flat has vectors of 3 components", exitUsage, "import", "flat", file)
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*")); err != nil || len(left) != 1 {
		t.Error("the export left", left, err)
	}
	from.says("GENERATION", exitFailed, "export", "notes", "--at", "999999", "--out", file+".2")
	if _, err := os.Stat(file + ".2"); err == nil {
		t.Error("an export that failed left its file")
	}
}

func TestImportByHand(t *testing.T) {
	c := served(t)
	lines := strings.Join([]string{
		`{"content":"the keys hang by the door"}`, ``,
		`no object`,
		`{"content":"too important","importance":9}`,
		`{"content":"unknown field","colour":"red"}`,
		`null`,
		`{"id":"b","content":"the kettle is in the red box"}`,
		`{"id":"b","content":"the kettle is lost"}`,
		`{"content":"the keys hang by the door"}`,
		`{"content":"` + strings.Repeat("x", 9<<20) + `"}`,
		`{"content":"last, without a line feed"}`,
	}, "\n")
	for _, counts := range []string{"10 lines: 3 new, 1 already there, 6 unsound", "10 lines: 0 new, 4 already there, 6 unsound"} {
		out, errs := c.run(exitFailed, lines, "import", "notes")
		for _, says := range []string{counts, "stdin:3: not a JSON object", "stdin:4: ", "stdin:5: ", "colour", "stdin:6: ", "stdin:8: ID_CONFLICT", "stdin:10: the line is longer", "6 of 10 lines"} {
			if !strings.Contains(out+errs, says) {
				t.Errorf("import does not say %q:\n%s%s", says, out, errs)
			}
		}
		if strings.Count(errs, "stdin:") != 6 {
			t.Errorf("not each line once:\n%s", errs)
		}
	}
	out, _ := c.run(exitOK, `{"id":"b","content":"the kettle is lost"}`, "import", "notes", "--replace", "--json")
	var sum imported
	if err := json.Unmarshal([]byte(out), &sum); err != nil || sum.New != 1 || sum.Lines != 1 || sum.Unsound != 0 {
		t.Error(out, err)
	}
	// An export that was cut short is told from a whole one.
	whole := exported(t, c, "notes")
	_, errs := c.run(exitFailed, strings.Join(whole[:len(whole)-1], "\n"), "import", "cut")
	if !strings.Contains(errs, "cut short") {
		t.Error(errs)
	}
	_, errs = c.run(exitFailed, strings.Join(append(whole[:2:2], whole[3:]...), "\n"), "import", "holed")
	if !strings.Contains(errs, "cut short") {
		t.Error(errs)
	}
	_, errs = c.run(exitUsage, strings.Replace(whole[0], `"engram_export":1`, `"engram_export":2`, 1), "import", "newer")
	if !strings.Contains(errs, "version 2") {
		t.Error(errs)
	}
}

// A page that would be over the limit of a message is asked for in smaller ones.
func TestExportOfLargeObservations(t *testing.T) {
	c := served(t)
	client, err := engram.Dial(c.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	const rows = 280
	text := strings.Repeat("0123456789abcdef", 250<<10/16)
	for i := range rows {
		if _, err := client.Observe(t.Context(), "large", []engram.Observation{{ID: fmt.Sprint(i), Content: text, Vector: []float32{1, float32(i)}}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(exported(t, c, "large")); got != rows+2 {
		t.Errorf("%d lines", got)
	}
}
