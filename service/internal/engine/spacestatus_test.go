package engine

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/space"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// statusOfSpace is what the engine tells of a space now.
func statusOfSpace(t *testing.T, e *Engine, id memory.SpaceID) SpaceStatus {
	t.Helper()
	sp, err := e.Space(id)
	if err != nil {
		t.Fatal(err)
	}
	return e.SpaceStatus(sp)
}

// modelledRows makes n rows of 256 components as models give them: few directions
// matter, and rows lie in clusters. Their signs tell them apart.
func modelledRows(first, n int) []Incoming {
	const clusters, rank = 60, 16
	fixed, r := rand.New(rand.NewPCG(7, 7)), rand.New(rand.NewPCG(uint64(first), 2))
	draw := func(r *rand.Rand, n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		return v
	}
	directions, centres, out := draw(fixed, 256*rank), draw(fixed, clusters*rank), wideRows(first, n)
	for _, in := range out {
		c, z, v := r.IntN(clusters), draw(r, rank), in.Observation.Vector
		for i := range v {
			v[i] *= 0.6
			for j := range z {
				v[i] += directions[i*rank+j] * (centres[c*rank+j] + 0.6*z[j])
			}
		}
	}
	return out
}

// A space with codes shows which, the recall they had in their trial, and what
// memory they take; where its vectors lie, and how many of its rows are dead.
// Metrics read the same.
func TestASpaceShowsHowItIsSearched(t *testing.T) {
	for codes, rows := range map[string]func(int, int) []Incoming{"1-bit": modelledRows, "7-bit": wideRows} {
		if testing.Short() && codes != "1-bit" {
			continue // graphs take long to build under the race detector
		}
		t.Run(codes, func(t *testing.T) { showsHowItIsSearched(t, codes, rows) })
	}
}

func showsHowItIsSearched(t *testing.T, codes string, make func(first, n int) []Incoming) {
	const rows, chunk = 5000, 4096
	e := start(t, vfs.NewMem(1), func(o *Options) { o.Space.IndexThreshold = 1 })
	defer closeEngine(t, e)
	keepRows(t, e, "coded", 500)
	if st := statusOfSpace(t, e, "coded"); st.ScannedBy != "" || st.CodeWidth != 0 || st.CodeTrial != 0 || st.CodesWithheld || st.Resident != 500 || st.Mapped != 0 {
		t.Errorf("with few rows: %+v", st)
	}
	for at := 500; at < rows; at += 500 {
		if _, err := e.Observe(t.Context(), Batch{Space: "coded", Wait: memory.AckIndexed, Lane: memory.LaneNormal, In: make(at, 500)}); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(time.Minute); statusOfSpace(t, e, "coded").ScannedBy != codes; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s codes within a minute: %+v", codes, statusOfSpace(t, e, "coded"))
		}
	}
	if _, _, err := e.Forget(t.Context(), "coded", []memory.ObservationID{"row-1", "row-2", "row-4999"}, filter.Expr{}); err != nil {
		t.Fatal(err)
	}
	e.watchMemory()
	st := statusOfSpace(t, e, "coded")
	if st.CodeRecall < 0.95 || st.CodeRecall > 1 || st.CodeWidth < 40 || st.CodeTrial < chunk || st.CodeTrial > rows || st.CodesWithheld {
		t.Errorf("codes: %+v", st)
	}
	if m := st.Memory; m.Rows < rows*1024 || m.Codes < rows*256 || m.Graph < rows*64 || m.IDs == 0 || m.Total() > 4*rows*1024 {
		t.Errorf("memory: %+v", m)
	}
	if st.Dead() != 3 || st.Live != rows-3 || st.Resident != rows || st.Mapped != 0 || st.Policy != IndexFull {
		t.Errorf("%+v", st)
	}

	checkpointNow(t, e, CheckpointWish{})
	e.watchMemory()
	if st := statusOfSpace(t, e, "coded"); st.Mapped != chunk || st.Resident != rows-chunk || st.Memory.Rows >= rows*1024 {
		t.Errorf("with a chunk in a file: %+v", st)
	}

	all, r, st := e.Status(), e.Reading(), statusOfSpace(t, e, "coded")
	if all.Dead != 3 || all.Policies[IndexFull].Spaces != 1 || all.MemoryUse.Parts.Codes != st.Memory.Codes || all.MemoryUse.Level != journal.LevelNormal || all.Disk != journal.LevelNormal {
		t.Errorf("of all: %+v", all)
	}
	if g := r.Spaces[0]; g.Memory.Codes != st.ScannedBy || g.Memory.CodeRecall != st.CodeRecall || g.Memory.Anonymous != st.Memory.Total() || r.Memory.Used["codes"] != st.Memory.Codes {
		t.Errorf("metrics: %+v, %+v; status: %+v", g, r.Memory, st)
	}
}

// What became of a space that sleeps, or was deleted, is told as far as it is
// known.
func TestASpaceThatIsNotThereShowsWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, vfs.NewMem(1), nil)
		defer closeEngine(t, e)
		keepRows(t, e, "notes", 10)
		checkpointNow(t, e, CheckpointWish{})
		time.Sleep(lightIdle + hibernateEvery)
		synctest.Wait()
		sp, err := e.Space("notes")
		if err != nil {
			t.Fatal(err)
		}
		if st := e.SpaceStatus(sp); st.Awake || st.Resident != 0 || st.Mapped != 0 || st.Live != 10 || st.Dead() != 0 || st.Memory.Rows != 0 {
			t.Errorf("asleep: %+v", st)
		}
		if _, err := e.DeleteSpace(t.Context(), "notes"); err != nil {
			t.Fatal(err)
		}
		keepRows(t, e, "notes", 10)
		e.registry.lookup("notes").lag.policy.Store(int32(IndexPaused))
		if st := e.SpaceStatus(sp); st.Policy != IndexFull {
			t.Errorf("a deleted space has the policy of its successor: %+v", st)
		}
	})
}

// A space that had no codes when memory was short makes them when it is not any
// more.
func TestCodesAreMadeWhenMemoryIsNotShortAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, vfs.NewMem(1), func(o *Options) { o.Memory.Limit = 1 << 30 })
		defer closeEngine(t, e)
		keepRows(t, e, "notes", 10)
		sp, err := e.Space("notes")
		if err != nil {
			t.Fatal(err)
		}
		if n := sp.SpareCodes(true); n != 0 || !e.SpaceStatus(sp).CodesWithheld {
			t.Fatalf("%d bytes of codes are dropped; %+v", n, e.SpaceStatus(sp))
		}
		time.Sleep(2 * checkpointEvery)
		synctest.Wait()
		if st := e.SpaceStatus(sp); st.CodesWithheld {
			t.Errorf("there is memory: %+v", st)
		}
	})
}

func TestDeadRowsAreNeverFewerThanNone(t *testing.T) {
	if n := (space.Stats{Rows: 3, Live: 4}).Dead(); n != 0 { // read while a row is published
		t.Errorf("%d", n)
	}
}
