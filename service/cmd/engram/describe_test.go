package main

import (
	"encoding/json"
	"strings"
	"testing"

	engram "github.com/engram-stream/engram/sdk/go"
)

// tells fails when the lines do not hold each of these, or hold one that begins
// with "!".
func tells(t *testing.T, what string, lines []string, wanted ...string) {
	t.Helper()
	all := strings.Join(lines, "\n")
	for _, w := range wanted {
		if not, ok := strings.CutPrefix(w, "!"); ok == strings.Contains(all, not) {
			t.Errorf("%s: want %q in\n%s", what, w, all)
		}
	}
}

func TestASpaceIsDescribedInWords(t *testing.T) {
	const mb = 1_000_000
	full := engram.Space{
		IndexThreshold: 1000, ResidentRows: 904, MappedRows: 4096, DeadRows: 3,
		Index: engram.IndexStatus{ScannedBy: engram.ScanCodesOneBit, CodeRecall: 0.9917, CodeCandidates: 200, CodeTrialRows: 5000, Policy: engram.IndexFull},
		Memory: engram.SpaceMemory{
			Used: 8 * mb, Rows: 4 * mb, IDs: mb, Codes: mb / 2, Graph: mb, Filters: mb, Rest: mb / 2, Limit: 32 * mb,
		},
	}
	tells(t, "with codes", describe(full), "by 1-bit codes: they found 0.9917 of the ten nearest when 5000 rows were there, with 200 compared",
		"indexed   as configured", "!wait", "904 with vectors in memory, 4096 with vectors in files; 3 of all are dead",
		"8.0 MB of 32.0 MB (25 %): rows 4.0 MB, ids 1.0 MB, codes 500.0 kB, graph 1.0 MB, filters 1.0 MB, other 500.0 kB")
	if r := remarks(full); r != "" {
		t.Errorf("nothing is out of the ordinary: %q", r)
	}

	flat := full
	flat.Unindexed, flat.IndexThreshold = 5000, 10_000
	tells(t, "scanned only", describe(flat), "indexed   not at all: a graph is built from 10000 rows on")
	waits := full
	waits.Unindexed = 4000
	tells(t, "a few wait", describe(waits), "indexed   as configured: 4000 rows wait, and are scanned meanwhile")

	lags := full
	lags.Unindexed, lags.Index.Policy, lags.Memory.Limit = 140_000, engram.IndexNarrow, 0
	tells(t, "lagging", describe(lags), "with a narrower search, to catch up: 140000 rows wait, and are scanned meanwhile", "8.0 MB: rows")
	lags.Index.Policy = engram.IndexPaused
	tells(t, "paused", describe(lags), "not for now, what comes in needs the processors: 140000 rows wait, and")
	if r := remarks(lags); r != ", INDEXING PAUSED" {
		t.Errorf("paused: %q", r)
	}

	short := full
	short.Index = engram.IndexStatus{ScannedBy: engram.ScanCodesNone, CodesWithheld: true, Policy: engram.IndexFull}
	tells(t, "memory is short", describe(short), "by the vectors: memory is short, so codes are withheld")
	if r := remarks(short); r != ", MEMORY IS SHORT" {
		t.Errorf("memory is short: %q", r)
	}

	tells(t, "asleep", describe(engram.Space{Asleep: true, DeadRows: 2, Index: engram.IndexStatus{Policy: engram.IndexFull}}),
		"asleep    its rows are on disk alone", "2 are dead", "!scanned", "!memory")
	if lines := describe(engram.Space{ID: "notes"}); len(lines) != 0 {
		t.Errorf("of an older server: %q", lines)
	}
	newer := engram.Space{Unindexed: 7, Index: engram.IndexStatus{ScannedBy: 99, CodeRecall: 1, Policy: 99}}
	tells(t, "of a newer server", describe(newer), "by codes 99 codes", "by policy 99: 7 rows wait")
	if r := remarks(newer); r != ", INDEXING POLICY 99" {
		t.Errorf("of a newer server: %q", r)
	}
}

func TestLevelsInWords(t *testing.T) {
	for l, want := range map[engram.ResourceLevel]string{
		engram.ResourceLevelUnknown: "", engram.ResourceLevelOK: "", engram.ResourceLevelWarning: "; MEMORY IS FILLING UP",
		engram.ResourceLevelRefusing: "; MEMORY IS FULL: new observations are refused", 99: "; MEMORY is at level 99, which is newer than this program",
	} {
		if got := level("MEMORY", l); got != want {
			t.Errorf("%v: %q, want %q", l, got, want)
		}
	}
	st := &engram.ServerStatus{MemoryBytes: 30_000_000, Memory: &engram.MemoryStatus{
		Level: engram.ResourceLevelWarning, Used: 70_000_000, Budget: 80_000_000, Limit: 100_000_000, Codes: 5_000_000, Queue: 1_000_000,
	}}
	tells(t, "memory", describeMemory(st), "70.0 MB of 80.0 MB (88 %); the process has 30.0 MB of 100.0 MB (30 %); MEMORY IS FILLING UP", "codes 5.0 MB", "queue 1.0 MB")
	if lines := describeMemory(&engram.ServerStatus{}); lines != nil {
		t.Errorf("of an older server: %q", lines)
	}
	policies := []*engram.IndexPolicyStatus{{Policy: 1, Spaces: 9}, {Policy: 2, Spaces: 2}, {Policy: 3}, {Policy: 99, Spaces: 1}}
	if got := describePolicies(policies); got != "INDEXING    lags: 2 spaces narrow, 1 spaces policy 99; rows that wait are scanned meanwhile" {
		t.Errorf("policies: %q", got)
	}
	if got := describePolicies(policies[:1]); got != "" {
		t.Errorf("all as configured: %q", got)
	}
}

// What a server says of its spaces and of itself is printed, in words and as
// JSON.
func TestSpacesAndStatusArePrinted(t *testing.T) {
	c := served(t)
	c.run(exitOK, "the kettle is in the red box\nthe keys hang by the door\n", "observe", "notes")
	c.run(exitOK, "", "forget", "notes", "--filter", "metadata.line=1", "--yes")
	out, _ := c.run(exitOK, "", "spaces", "get", "notes")
	tells(t, "spaces get", strings.Split(out, "\n"), "scanned   by the vectors", "indexed   not at all: a graph is built from 10000 rows on", "2 with vectors in memory, 0 with vectors in files; 1 of all are dead", "memory    ")
	out, _ = c.run(exitOK, "", "spaces", "list")
	if strings.Count(out, "\n") != 1 || strings.Contains(out, "SHORT") || strings.Contains(out, "INDEXING") {
		t.Errorf("spaces list is to be a line a space:\n%s", out)
	}
	out, _ = c.run(exitOK, "", "status")
	tells(t, "status", strings.Split(out, "\n"), "1 rows dead", "memory    ", "the process has ", "graphs 0 B", "!IS FULL", "!INDEXING")

	out, _ = c.run(exitOK, "", "spaces", "get", "notes", "--json")
	var s struct {
		Index  struct{ Policy, ScannedBy string }
		Memory struct{ Used uint64 }
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(out, "scanned_by", "scannedBy")), &s); err != nil || s.Index.Policy != "full" || s.Index.ScannedBy != "none" || s.Memory.Used == 0 {
		t.Errorf("spaces get --json: %+v, %v\n%s", s, err, out)
	}
	out, _ = c.run(exitOK, "", "status", "--json")
	tells(t, "status --json", []string{strings.ReplaceAll(out, " ", "")}, `"level":"RESOURCE_LEVEL_OK"`, `"disk_level":"RESOURCE_LEVEL_`, `"policy":"INDEX_POLICY_PAUSED"`, `"dead_rows":"1"`)
}
