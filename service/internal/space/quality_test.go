package space

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/memory"
)

// recallAtTen is the share of the true ten nearest that a recall through the
// graph finds, over all queries. The truth is the same recall, exact.
func recallAtTen(t *testing.T, w *world, queries [][]float32, pred *filter.Predicate) float64 {
	t.Helper()
	found, wanted := 0, 0
	for _, v := range queries {
		truth := map[memory.Generation]bool{}
		for _, h := range w.question(t, w.Current(), &Question{Vector: v, Limit: 10, Exact: true, Filter: pred}) {
			truth[h.Generation] = true
		}
		for _, h := range w.question(t, w.Current(), &Question{Vector: v, Limit: 10, Filter: pred}) {
			if truth[h.Generation] {
				found++
			}
		}
		wanted += len(truth)
	}
	return float64(found) / float64(wanted)
}

// filled is a space with a graph over all rows.
func filled(t *testing.T, metric memory.Metric, rows [][]float32, meta []map[string]any) *world {
	t.Helper()
	w := newWorld(Settings{Dimension: len(rows[0]), Metric: metric, IndexThreshold: 0, M: 16, EfConstruction: 100})
	for i := 0; i < len(rows); i += 500 {
		var batch []*memory.Observation
		for k := i; k < min(i+500, len(rows)); k++ {
			o := &memory.Observation{Vector: rows[k], Encoding: memory.EncodingValues}
			if meta != nil {
				o.Metadata = meta[k]
			}
			batch = append(batch, o)
		}
		w.observe(batch...)
	}
	w.indexAll()
	if n := w.Current().Unindexed(); n != 0 {
		t.Fatalf("%d rows are not in the graph", n)
	}
	return w
}

const wantRecall = 0.95

func check(t *testing.T, what string, got float64) {
	t.Helper()
	t.Logf("%s: recall@10 %.4f", what, got)
	if got < wantRecall {
		t.Errorf("%s: recall@10 is %.4f, want at least %.2f", what, got, wantRecall)
	}
}

func TestGraphRecallOnGeneratedData(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	sample := clustersOf(r, 48, 60, .4)
	rows, queries := sample(4000), sample(100)
	for _, m := range []memory.Metric{memory.MetricCosine, memory.MetricDot, memory.MetricEuclidean} {
		check(t, m.String(), recallAtTen(t, filled(t, m, rows, nil), queries, nil))
	}
}

// dataDir is where the real data is, beside the project; the test skips
// without it.
func dataDir(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "..", "shared", "data", name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no %s in ../shared/data beside the project", name)
	}
	return dir
}

// matrix reads the one file whose name begins with prefix; rows, columns and
// type are in its name.
func matrix(t *testing.T, dir, prefix string, dim int) [][]float32 {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, prefix+"*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no %s in %s", prefix, dir)
	}
	b, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	size := 4
	if strings.Contains(names[0], "u8") {
		size = 1
	}
	out := make([][]float32, len(b)/size/dim)
	for i := range out {
		out[i] = make([]float32, dim)
		for j := range out[i] {
			if at := i*dim + j; size == 1 {
				out[i][j] = float32(b[at])
			} else {
				out[i][j] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*at:]))
			}
		}
	}
	return out
}

func TestGraphRecallOnSIFT(t *testing.T) {
	dir := dataDir(t, "sift128")
	rows, queries := matrix(t, dir, "sift_u8", 128), matrix(t, dir, "siftsmall_query", 128)
	agreesWithTruth(t, dir, rows, queries)
	check(t, fmt.Sprintf("SIFT, %d rows", len(rows)), recallAtTen(t, filled(t, memory.MetricEuclidean, rows, nil), queries, nil))
}

// agreesWithTruth compares exact recall with the published nearest neighbours.
func agreesWithTruth(t *testing.T, dir string, rows, queries [][]float32) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "sift_gt_i32_100x100.bin"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(Settings{Dimension: 128, Metric: memory.MetricEuclidean, IndexThreshold: 1 << 30})
	for _, v := range rows {
		w.observe(&memory.Observation{Vector: v, Encoding: memory.EncodingValues})
	}
	same := 0
	for i, v := range queries {
		for k, h := range w.question(t, w.Current(), &Question{Vector: v, Limit: 10, Exact: true}) {
			if uint32(h.Generation-1) == binary.LittleEndian.Uint32(b[4*(100*i+k):]) {
				same++
			}
		}
	}
	if want := 10 * len(queries); same < want-want/100 { // equal distances may change places
		t.Errorf("exact recall agrees with the published neighbours in %d of %d places", same, want)
	}
}

func TestGraphRecallOnWine(t *testing.T) {
	dir := dataDir(t, "wine384")
	rows := matrix(t, dir, "wine_minilm", 384)
	f, err := os.Open(filepath.Join(dir, "wine_meta.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var meta []map[string]any
	for s := bufio.NewScanner(f); s.Scan(); {
		var m map[string]any
		if err := json.Unmarshal(s.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		meta = append(meta, m)
	}
	if len(meta) != len(rows) {
		t.Fatalf("%d rows and %d lines of metadata", len(rows), len(meta))
	}
	w := filled(t, memory.MetricCosine, rows, meta)
	queries := make([][]float32, 0, 100)
	for i := 0; i < len(rows); i += len(rows) / 100 {
		queries = append(queries, rows[i])
	}
	check(t, "wine", recallAtTen(t, w, queries, nil))
	for _, country := range []string{"Italy", "US"} {
		p := predicate(t, filter.Expr{All: []filter.Clause{{Key: "metadata.country", Op: filter.Equals, Values: []any{country}}}})
		check(t, "wine of "+country, recallAtTen(t, w, queries, p))
		for _, h := range w.question(t, w.Current(), &Question{Vector: queries[0], Limit: 10, Filter: p}) {
			if h.Observation.Metadata["country"] != country {
				t.Fatalf("a wine of %v among those of %s", h.Observation.Metadata["country"], country)
			}
		}
	}
}
