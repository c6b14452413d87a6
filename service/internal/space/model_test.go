package space

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"testing"

	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/memory"
)

// model is a space as simple as it can be: a list of versions.
type model struct {
	rows []modelRow
	gen  memory.Generation
}

type modelRow struct {
	id   string
	v    []float32
	born memory.Generation
	died memory.Generation // 0: alive; 1: gone for every generation
	// replaced is part of the content: with it set, the same vector differs.
	replaced bool
}

// at lists what is alive at a generation, nearest to v first.
func (m *model) at(g memory.Generation, v []float32) []string {
	type scored struct {
		id    string
		score float64
		born  memory.Generation
	}
	var list []scored
	for _, r := range m.rows {
		if r.born > g || (r.died != 0 && r.died <= g) {
			continue
		}
		d := 0.0
		for i := range v {
			d -= float64(r.v[i]-v[i]) * float64(r.v[i]-v[i])
		}
		list = append(list, scored{r.id, d, r.born})
	}
	sort.SliceStable(list, func(i, j int) bool {
		if list[i].score != list[j].score {
			return list[i].score > list[j].score
		}
		return list[i].born < list[j].born
	})
	var out []string
	for _, s := range list {
		out = append(out, s.id)
	}
	return out
}

func (m *model) holder(id string) *modelRow {
	for i := range m.rows {
		if m.rows[i].id == id && m.rows[i].died == 0 {
			return &m.rows[i]
		}
	}
	return nil
}

// TestSpaceAgainstModel runs random histories through a space, with and
// without a graph, and a model, and compares what recall says at every
// generation; and again after replaying the journal.
func TestSpaceAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		threshold := rapid.SampledFrom([]int{0, 20, 1 << 30}).Draw(t, "threshold")
		w := newWorld(Settings{Dimension: 2, Metric: memory.MetricEuclidean, IndexThreshold: threshold, M: 8})
		m, d := &model{}, newDisk(t)
		coordinate := rapid.IntRange(-20, 20)
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			switch rapid.IntRange(0, 12).Draw(t, "step") {
			case 0:
				var ids []memory.ObservationID
				for range rapid.IntRange(1, 3).Draw(t, "n") {
					ids = append(ids, memory.ObservationID(fmt.Sprintf("id-%d", rapid.IntRange(0, 15).Draw(t, "id"))))
				}
				hit := false
				for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
					if m.holder(string(id)) != nil {
						hit = true
						m.forget(string(id))
					}
				}
				if hit {
					m.gen++
				}
				w.forget(ids...)
			case 1:
				w.indexAll()
			case 2:
				w.checkpoint(t, d)
			case 3: // falls asleep, if it may
				w.checkpoint(t, d)
				w.Sleep()
				if err := w.Wake(); err != nil {
					t.Fatal(err)
				}
			case 4: // the server starts again
				if d.store.Latest() != nil {
					w = w.restored(t, d)
					if err := w.Wake(); err != nil {
						t.Fatal(err)
					}
				}
			default:
				var batch []*memory.Observation
				for range rapid.IntRange(1, 6).Draw(t, "n") {
					id := fmt.Sprintf("id-%d", rapid.IntRange(0, 15).Draw(t, "id"))
					v := []float32{float32(coordinate.Draw(t, "x")), float32(coordinate.Draw(t, "y"))}
					o := obs(id, v...)
					if rapid.Bool().Draw(t, "replace") {
						o = replacing(o)
					}
					batch = append(batch, o)
					m.observe(o, v)
				}
				w.observe(batch...)
			}
		}
		compare(t, "live", w, m)
		w.indexAll()
		compare(t, "indexed", w, m)
		again := &world{Space: New(w.Settings(), w.clock), clock: w.clock}
		for _, f := range w.frames {
			if err := again.Replay(f); err != nil {
				t.Fatal(err)
			}
		}
		compare(t, "replayed", again, m)
		again.indexAll()
		compare(t, "replayed and indexed", again, m)
		if g := w.Current().graph; g != nil {
			if err := g.Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// forget takes all versions of an id.
func (m *model) forget(id string) {
	for i := range m.rows {
		if m.rows[i].id == id {
			m.rows[i].died = gone
		}
	}
}

func (m *model) observe(o *memory.Observation, v []float32) {
	old := m.holder(string(o.ID))
	if old != nil && (!o.Replace || (slices.Equal(old.v, v) && old.replaced)) {
		return
	}
	m.gen++
	if old != nil {
		old.died = m.gen
	}
	m.rows = append(m.rows, modelRow{id: string(o.ID), v: v, born: m.gen, replaced: o.Replace})
}

func compare(t *rapid.T, when string, w *world, m *model) {
	t.Helper()
	if w.Current().Generation != m.gen {
		t.Fatalf("%s: generation %d, want %d", when, w.Current().Generation, m.gen)
	}
	cue := []float32{1, 2}
	for g := memory.Generation(1); g <= m.gen; g++ {
		snap, err := w.Pin(t.Context(), Consistency{Mode: At, Generation: g})
		if err != nil {
			t.Fatal(err)
		}
		if snap.rows == 0 {
			continue
		}
		a, err := w.Recall(snap, &Question{Vector: cue, Limit: 1000, MinSimilarity: float32(math.Inf(-1)), Now: w.clock.Now()})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := names(a.Hits), m.at(g, cue); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%s, generation %d of %d: %v, want %v", when, g, m.gen, got, want)
		}
	}
}
