package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
)

// randomVectors are of normal components: all far from each other, which is
// hard for a graph.
func randomVectors(seed uint64, n, dim int) [][]float32 {
	rng := rand.New(rand.NewPCG(seed, 0))
	out := make([][]float32, n)
	for i := range out {
		out[i] = make([]float32, dim)
		for j := range out[i] {
			out[i][j] = float32(rng.NormFloat64())
		}
	}
	return out
}

// filled makes a space of vectors, named prefix-i, which have a graph from
// threshold on; a tenth of them has metadata.tenth 3.
func (c client) filled(space string, threshold uint64, vectors [][]float32, window time.Duration) *engram.Client {
	c.t.Helper()
	client, err := engram.Dial(c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(client.Close)
	if _, _, err := client.CreateSpace(c.t.Context(), space, engram.NewSpace{IndexThreshold: &threshold, HistoryWindow: window}); err != nil {
		c.t.Fatal(err)
	}
	for from := 0; from < len(vectors); from += 500 {
		var batch []engram.Observation
		for i := from; i < min(len(vectors), from+500); i++ {
			batch = append(batch, engram.Observation{ID: fmt.Sprintf("row-%d", i), Vector: vectors[i], Metadata: map[string]any{"tenth": i % 10}})
		}
		if _, err := client.Observe(c.t.Context(), space, batch, engram.WaitFor(engram.Indexed)); err != nil {
			c.t.Fatal(err)
		}
	}
	return client
}

// checked runs recall-check and reads what it prints as JSON.
func (c client) checked(code int, stdin string, args ...string) (out recallChecked) {
	c.t.Helper()
	text, _ := c.run(code, stdin, append([]string{"recall-check", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		c.t.Fatal(err, text)
	}
	return out
}

func TestRecallCheck(t *testing.T) {
	c := served(t)
	c.filled("graph", 0, randomVectors(1, 4000, 128), 0)

	// The narrowest search misses rows, one as wide as the space none.
	r := c.checked(exitOK, "", "graph", "--effort", "1,10000", "--samples", "60", "--concurrency", "2")
	t.Logf("recall@10 %.4f by the narrowest search", r.Efforts[0].Recall)
	if r.Cues != 60 || r.Efforts[0].Recall >= .99 || r.Efforts[0].Recall < .2 || r.Efforts[1].Recall != 1 || r.ScannedOnly || r.Efforts[0].Walked != 60 {
		t.Errorf("%+v", r.Report)
	}
	if r.Generation != 4000 || r.Observations != 4000 || r.Metric != "cosine" || r.Queries != "sampled" || !r.OK {
		t.Errorf("%+v", r)
	}
	if r.Exact.P50 <= 0 || r.Exact.ServerP50 <= 0 || r.Efforts[0].P99 < r.Efforts[0].P50 || r.Efforts[0].ServerP50 > r.Efforts[0].P50 {
		t.Errorf("latencies %+v and %+v", r.Exact, r.Efforts[0].Latency)
	}
	// The same seed asks for the same rows.
	again := c.checked(exitFailed, "", "graph", "--effort", "1", "--samples", "60", "--min-recall", "1")
	if again.Efforts[0].Recall != r.Efforts[0].Recall || again.Efforts[0].Worst != r.Efforts[0].Worst || again.OK {
		t.Errorf("%+v, before %+v", again.Efforts[0], r.Efforts[0])
	}
	c.says("below --min-recall 1", exitFailed, "recall-check", "graph", "--effort", "10000,1", "--min-recall", "1", "--samples", "60")
	c.says("at effort 1: recall@10 0.", exitOK, "recall-check", "graph", "--effort", "1", "--samples", "60")
	c.says("each left out of its own answers", exitOK, "recall-check", "graph", "--samples", "5")

	// Behind a filter that passes little, everything is compared.
	r = c.checked(exitOK, "", "graph", "--filter", "metadata.tenth=3", "--samples", "20", "--min-recall", "1")
	if !r.ScannedOnly || r.Efforts[0].Recall != 1 || r.Cues != 20 {
		t.Errorf("filtered: %+v", r.Report)
	}
	c.says("everything that passes the filter was compared", exitOK, "recall-check", "graph", "--filter", "metadata.tenth=3", "--samples", "5")
	c.says("nothing to check in graph: nothing is to be found for any query (5 find nothing", exitOK, "recall-check", "graph", "--filter", "metadata.tenth=99", "--samples", "5")
	r = c.checked(exitOK, "", "graph", "--filter", "metadata.tenth=99", "--samples", "5")
	if r.Cues != 0 || r.Empty != 5 {
		t.Errorf("behind a filter that passes nothing: %+v", r)
	}

	// Queries of a file and of standard input: what is not in the space.
	var lines bytes.Buffer
	for _, v := range randomVectors(2, 30, 128) {
		if err := json.NewEncoder(&lines).Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	r = c.checked(exitOK, lines.String(), "graph", "--queries", "-", "--effort", "10000", "--limit", "25")
	if r.Cues != 30 || r.Efforts[0].Recall != 1 || r.Queries != "stdin" || r.Limit != 25 {
		t.Errorf("queries: %+v", r)
	}
	file := filepath.Join(t.TempDir(), "asked.jsonl")
	if err := os.WriteFile(file, append(lines.Bytes(), "[1,2]\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	c.says(":31: invalid_argument: the cue has 2 components", exitUsage, "recall-check", "graph", "--queries", file)
	if err := os.WriteFile(file, []byte("\n\"where is the kettle\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.says(":2: invalid_argument: the cue is a text, and space \"graph\" has no embedder", exitUsage, "recall-check", "graph", "--queries", file)
}

func TestRecallCheckOfLittle(t *testing.T) {
	c := served(t)
	c.filled("scanned", 10_000, randomVectors(1, 300, 8), 0)
	c.says("there is nothing to check", exitOK, "recall-check", "scanned")
	if r := c.checked(exitOK, "", "scanned", "--min-recall", "1", "--samples", "300"); !r.ScannedOnly || r.Efforts[0].Recall != 1 || r.Cues != 300 || r.Short != 0 {
		t.Errorf("a space without a graph: %+v", r.Report)
	}

	// Alike rows: which of them an answer holds is chance.
	same := make([][]float32, 700)
	for i := range same {
		same[i] = []float32{1, 2, 3}
	}
	c.filled("alike", 0, same, 0)
	if r := c.checked(exitOK, "", "alike", "--effort", "1", "--min-recall", "1", "--samples", "20"); r.Efforts[0].Least != 1 || r.ScannedOnly {
		t.Errorf("rows that are all alike: %+v", r.Efforts[0])
	}

	c.filled("few", 0, randomVectors(1, 4, 8), 0)
	if r := c.checked(exitOK, "", "few", "--min-recall", "1"); r.Cues != 4 || r.Short != 4 || r.Efforts[0].Recall != 1 {
		t.Errorf("fewer rows than asked for: %+v", r.Report)
	}
	c.says("4 of them have fewer than 10 rows to find", exitOK, "recall-check", "few")
	c.filled("one", 0, randomVectors(1, 1, 8), 0)
	c.says("nothing is to be found", exitOK, "recall-check", "one") // but itself

	c.run(exitOK, "", "spaces", "create", "empty", "--dim", "3")
	c.says("nothing to check in empty: it is empty", exitOK, "recall-check", "empty")
	if r := c.checked(exitOK, "", "empty"); r.Cues != 0 || !r.OK {
		t.Errorf("%+v", r)
	}
	c.says("cannot be said", exitFailed, "recall-check", "empty", "--min-recall", "0.5")
	c.says("SPACE_NOT_FOUND", exitNotFound, "recall-check", "nowhere")

	// Texts, in a space with an embedder.
	c.run(exitOK, "the kettle is in the red box\nthe keys hang by the door\n", "observe", "notes")
	r := c.checked(exitOK, "\"where is the kettle\"\n{\"content\":\"keys\"}\n", "notes", "--queries", "-", "--min-recall", "1")
	if r.Cues != 2 || r.Short != 2 {
		t.Errorf("texts: %+v", r.Report)
	}
	c.says("there is no query", exitOK, "recall-check", "notes", "--queries", os.DevNull)
	for flag, says := range map[string]string{
		"--samples=0": "--samples", "--limit=10001": "--limit", "--effort=1,-1": "--effort", "--concurrency=0": "--concurrency", "--min-recall=1.5": "--min-recall",
		"--timeout=0s": "--timeout", "--queries=/nowhere/at/all": "--queries", "--filter=x": "--filter",
	} {
		c.says(says, exitUsage, "recall-check", "notes", flag)
	}
}

// While others write and forget, everything is compared at one generation.
func TestRecallCheckWhileTheSpaceChanges(t *testing.T) {
	c := served(t)
	client := c.filled("busy", 0, randomVectors(1, 1500, 16), 0)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- func() error {
			for i, v := range randomVectors(3, 100_000, 16) {
				o := engram.Observation{ID: fmt.Sprintf("new-%d", i), Vector: v}
				if _, err := client.Observe(ctx, "busy", []engram.Observation{o}); err != nil {
					return err
				}
				if _, err := client.Forget(ctx, "busy", fmt.Sprintf("row-%d", i), fmt.Sprintf("new-%d", i-50)); err != nil {
					return err
				}
			}
			return nil
		}()
	}()
	r := c.checked(exitOK, "", "busy", "--effort", "10000", "--samples", "150")
	cancel()
	if err := <-done; err == nil || t.Context().Err() != nil {
		t.Errorf("the writer ended by itself: %v", err)
	}
	if r.Cues+r.Gone+r.Unsteady != 150 || r.Cues == 0 || r.Efforts[0].Recall != 1 {
		t.Errorf("%+v", r.Report)
	}
}

// A check that the history window is too short for says so.
func TestRecallCheckTooLate(t *testing.T) {
	c := served(t)
	client := c.filled("brief", 0, randomVectors(1, 50, 8), time.Nanosecond)
	is, err := client.GetSpace(t.Context(), "brief")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Observe(t.Context(), "brief", []engram.Observation{{ID: "late", Vector: randomVectors(2, 1, 8)[0]}}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	k := recallChecker{
		v: &verb{addr: c.addr, client: client, out: &out, errs: &out}, space: "brief", is: is,
		flags: recallCheckFlags{samples: 5, limit: 10, efforts: []int{0}, concurrency: 1, timeout: time.Minute},
	}
	err = k.measure(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no longer within its history window of 1ns") || engram.ReasonOf(err) != "GENERATION_EXPIRED" {
		t.Errorf("%v\n%s", err, &out)
	}
	if code, ok := k.v.explain(err).(*codedError); !ok || code.code != exitFailed { //nolint:errorlint // the very one
		t.Errorf("ends with %v", err)
	}
}
