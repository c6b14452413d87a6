package main

import (
	"math"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestGeneratorIsDeterministic(t *testing.T) {
	a, b := newGenerator(5, 32).rows(1, blockRows+10), newGenerator(5, 32).rows(1, blockRows+10)
	if !slices.Equal(a, b) {
		t.Fatal("the same seed gave other rows")
	}
	if slices.Equal(a, newGenerator(5, 32).rows(2, blockRows+10)) {
		t.Fatal("another stream gave the same rows")
	}
	for i := 0; i < len(a); i += 32 {
		sum := 0.0
		for _, v := range a[i : i+32] {
			sum += float64(v) * float64(v)
		}
		if math.Abs(sum-1) > 1e-5 {
			t.Fatalf("row %d has the squared length %g", i/32, sum)
		}
	}
}

func TestTruth(t *testing.T) {
	for _, metric := range []string{"ip", "l2"} {
		g := newGenerator(1, 24)
		d := &dataset{dim: 24, metric: metric}
		base, query := g.rows(1, 700), g.rows(2, 9)
		truth, err := truths(d, base, query)
		if err != nil {
			t.Fatal(err)
		}
		for q := range 9 {
			own := truth[q*nearest : (q+1)*nearest]
			if err := agrees(d, base, query[q*24:(q+1)*24], own); err != nil {
				t.Errorf("%s: %v", metric, err)
			}
			wrong := slices.Clone(own)
			for r := uint32(0); ; r++ { // a row that is not among them
				if !slices.Contains(own, r) {
					wrong[4] = r
					break
				}
			}
			if agrees(d, base, query[q*24:(q+1)*24], wrong) == nil {
				t.Errorf("%s: a wrong neighbour went unseen", metric)
			}
		}
	}
}

func TestQueriesAtRecall(t *testing.T) {
	f := figures{Points: []point{{10, .9, 1000}, {20, .96, 100}, {40, .98, 50}}}
	if q, narrowest, ok := f.at(.93); !ok || narrowest != 0 || math.Abs(q-math.Sqrt(1000*100)) > 1e-6 {
		t.Errorf("halfway: %g, %g, %v", q, narrowest, ok)
	}
	if q, narrowest, ok := f.at(.8); !ok || narrowest != .9 || q != 1000 {
		t.Errorf("below all: %g, %g, %v", q, narrowest, ok)
	}
	if _, _, ok := f.at(.99); ok {
		t.Error("a recall that was not reached has a figure")
	}
	if f.ef(.95) != 20 || f.ef(.99) != 0 {
		t.Errorf("widths %d and %d", f.ef(.95), f.ef(.99))
	}
}

// TestPage drives the own engine and the page through one small measurement.
func TestPage(t *testing.T) {
	d := datasets(true)[2]
	d.rows, d.extra, d.queries = 1500, 100, 20
	f, err := d.write(settings{}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	want := &task{contestant: own, files: f, metric: d.metric, dim: d.dim, rows: d.rows, extra: d.extra, queries: d.queries, piece: 256}
	got, err := parseTask(want.arguments())
	if err != nil || *got != *want {
		t.Fatalf("a task came back as %+v, %v", got, err)
	}
	x := figures{Inserts: 100, Bytes: 10, Points: []point{{10, .97, 50}, {12, .98, 40}}, Ingest: []ingest{{"how", 5, 1, 2, 7}}}
	r := results{contestants: contestants[:2], sets: []*dataset{d}, seen: map[*dataset]map[string]rounds{d: {own: {x, x}, "hnswlib": {x}}}, skipped: []string{"wine: none"}}
	page := r.page(settings{quick: true})
	for _, want := range []string{"QUICK=1 make bench-peers", "| engram | 100 (100–100) | 50 (50–50); has 0.970 | – (0.980 at ef 12) | 10, – | 10 (10–10) |", "| hnswlib | 1.00× | 1.00× | – |", "Left out: wine: none."} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}
