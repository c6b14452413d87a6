package engine

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engram-stream/engram/service/internal/admission"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/session"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// wideRows makes n rows of 256 components, a KiB each, numbered on from first.
func wideRows(first, n int) []Incoming {
	r := rand.New(rand.NewPCG(uint64(first), 1))
	out := make([]Incoming, n)
	for i := range out {
		v := make([]float32, 256)
		for j := range v {
			v[j] = float32(r.NormFloat64())
		}
		out[i] = vec(v...)
		out[i].Observation.ID = memory.ObservationID(fmt.Sprint("row-", first+i))
		out[i].Bytes = 1100
	}
	return out
}

// keepRows observes until all rows are visible, and comes back when it is told
// to; it returns how often it was, by reason.
func keepRows(t *testing.T, e *Engine, sp memory.SpaceID, n int) map[fault.Reason]int {
	t.Helper()
	refused := map[fault.Reason]int{}
	for at, tries := 0, 0; at < n; tries++ {
		if tries == 10_000 {
			t.Fatalf("refused again and again after %d rows: %v", at, refused)
		}
		_, err := e.Observe(t.Context(), Batch{Space: sp, Wait: memory.AckVisible, Lane: memory.LaneNormal, In: wideRows(at, min(500, n-at))})
		if err == nil {
			at += 500
			continue
		}
		f := fault.Of(err)
		if f.Code != fault.ResourceExhausted || f.RetryAfter <= 0 {
			t.Fatalf("after %d rows: %v", at, err)
		}
		refused[f.Reason]++
		time.Sleep(f.RetryAfter) // of the bubble
	}
	return refused
}

// rowsOf counts what recalls can find.
func rowsOf(t *testing.T, e *Engine, sp memory.SpaceID) int64 {
	t.Helper()
	sl, err := e.registry.find(sp)
	if err != nil {
		t.Fatal(err)
	}
	return sl.space.Stats().Live
}

// More is streamed than memory takes: rows go into files and the stream goes
// on, refused now and then. All that was acked is there, also after a crash, and
// when the limit is less than what the journal holds. The spaces are too small for
// codes: an index worker sleeps with a lock held, and time stands still in a
// bubble while another waits for a lock.
func TestAStreamMayBeLargerThanMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rows, limit = 14_000, 16 << 20
		fs := vfs.NewMem(1)
		limited := func(o *Options) {
			o.Memory.Limit = limit
			o.Space.IndexThreshold = 1 << 30
			o.Checkpoint.Interval, o.Checkpoint.TailBytes = 24*time.Hour, 1<<40
		}
		e := start(t, fs, limited)
		refused := keepRows(t, e, "first", rows)
		for reason, n := range keepRows(t, e, "second", rows) {
			refused[reason] += n
		}
		if refused[fault.MemoryPressure] == 0 || len(refused) > 1 {
			t.Errorf("refused %v", refused)
		}
		if e.Status().Checkpoint.Number == 0 {
			t.Error("no checkpoint gave memory back")
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if use := e.memoryUse(); use.Used > use.Budget {
			t.Errorf("%d bytes are used, the budget is %d", use.Used, use.Budget)
		}

		fs = cut(t, e, fs)
		e = start(t, fs, func(o *Options) {
			limited(o)
			o.Memory.Limit = 0
		})
		keepRows(t, e, "third", rows) // in the journal alone
		fs = cut(t, e, fs)
		e = start(t, fs, func(o *Options) {
			limited(o)
			o.Memory.Limit = 8 << 20
		})
		defer closeEngine(t, e)
		for _, sp := range []memory.SpaceID{"first", "second", "third"} {
			if n := rowsOf(t, e, sp); n != rows {
				t.Errorf("%d rows are in space %s under a lower limit, want %d", n, sp, rows)
			}
			r, err := e.Recall(t.Context(), Cue{Space: sp, Vector: wideRows(0, 1)[0].Observation.Vector, Limit: 1})
			if err != nil || len(r.Hits) != 1 || r.Hits[0].Observation.ID != "row-0" {
				t.Errorf("%+v, %v", r, err)
			}
		}
		// Memory comes free, and more is taken.
		time.Sleep(30 * time.Second)
		keepRows(t, e, "more", 100)
	})
}

// Where nothing can be given back, observations are refused, everybody hears
// why, and recalls go on; when a space goes, there is room.
func TestFullMemoryRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, vfs.NewMem(1), func(o *Options) {
			o.Memory.Limit = 4 << 20
			o.Space.IndexThreshold = 1 << 30
		})
		defer closeEngine(t, e)
		c := attach(t, e, OpenStream{Space: "full", Lane: memory.LaneNormal})
		taken := 0
		var err error
		for ; err == nil && taken < 20_000; taken += 100 {
			_, err = e.Observe(t.Context(), Batch{Space: "full", Wait: memory.AckVisible, Lane: memory.LaneNormal, In: wideRows(taken, 100)})
			time.Sleep(500 * time.Millisecond) // time for rounds, which do not help
		}
		if f := fault.Of(err); f.Code != fault.ResourceExhausted || f.Reason != fault.MemoryPressure || f.RetryAfter <= 0 {
			t.Fatalf("after %d rows: %v", taken, err)
		}
		if taken > 4100 {
			t.Errorf("%d rows of a KiB were taken into 4 MiB", taken)
		}
		c.until(func(ev session.Event) bool {
			s, ok := ev.(session.Status)
			return ok && s.State == session.Overloaded && s.Cause == "memory"
		})
		if l := e.monitor.Level(); l != admission.Overloaded {
			t.Errorf("the level is %v", l)
		}
		use, st := e.Status().MemoryUse, statusOfSpace(t, e, "full")
		if use.Level != journal.LevelRefuse || use.Used < use.Budget*9/10 || use.Parts.Rows == 0 || use.Queue < 0 || st.Memory.Rows < use.Budget/2 {
			t.Errorf("told of all: %+v, of the space: %+v", use, st.Memory)
		}
		r, err := e.Recall(t.Context(), Cue{Space: "full", Vector: wideRows(0, 1)[0].Observation.Vector, Limit: 1})
		if err != nil || len(r.Hits) != 1 {
			t.Errorf("a recall meanwhile: %+v, %v", r, err)
		}
		if _, err := e.DeleteSpace(t.Context(), "full"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if use := e.Status().MemoryUse; use.Level != journal.LevelNormal {
			t.Errorf("with room: %+v", use)
		}
		keepRows(t, e, "next", 100)
	})
}

// A space that has its share filled is refused; others are not.
func TestASpaceHasItsShareOfMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, vfs.NewMem(1), func(o *Options) {
			o.Memory.Space = 1 << 20
			o.Space.IndexThreshold = 1 << 30
		})
		defer closeEngine(t, e)
		keepRows(t, e, "greedy", 100)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		var err error
		for n := 100; err == nil && n < 5000; n += 100 {
			_, err = e.Observe(t.Context(), Batch{Space: "greedy", Wait: memory.AckVisible, Lane: memory.LaneNormal, In: wideRows(n, 100)})
		}
		if f := fault.Of(err); f.Reason != fault.MemoryPressure || f.RetryAfter <= 0 {
			t.Errorf("beyond its share: %v", err)
		}
		if st := statusOfSpace(t, e, "greedy"); st.MemoryLimit != 1<<20 || st.Memory.Total() < st.MemoryLimit*9/10 || st.Memory.Total() > st.MemoryLimit {
			t.Errorf("the greedy space takes %+v of %d", st.Memory, st.MemoryLimit)
		}
		if refused := keepRows(t, e, "modest", 100); len(refused) > 0 {
			t.Errorf("another is refused: %v", refused)
		}
	})
}

// Small spaces that nobody uses leave memory once a checkpoint has them.
func TestSmallSpacesLeaveMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, vfs.NewMem(1), nil)
		defer closeEngine(t, e)
		for i := range 20 {
			keepRows(t, e, memory.SpaceID(fmt.Sprint("small-", i)), 10)
		}
		if _, err := e.Checkpoint(context.WithoutCancel(t.Context()), CheckpointWish{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lightIdle + hibernateEvery)
		synctest.Wait()
		if n := e.Status().Checkpoint.Asleep; n != 20 {
			t.Errorf("%d of 20 spaces are asleep", n)
		}
		r, err := e.Recall(t.Context(), Cue{Space: "small-7", Vector: wideRows(0, 1)[0].Observation.Vector, Limit: 1})
		if err != nil || len(r.Hits) != 1 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// Codes that take too much are dropped before anything is refused for long: what
// is there is found without them.
func TestCodesGoWhenMemoryIsShort(t *testing.T) {
	if testing.Short() {
		t.Skip("codes 20,480 rows: run without -short")
	}
	const rows = 5 << 12 // whole chunks: all of them are read from files
	fs, book := vfs.NewMem(1), &notebook{}
	scanned := func(limit int64) func(*Options) {
		return func(o *Options) {
			o.Memory.Limit = limit
			o.Space.IndexThreshold = 1 << 30
			o.Log = slog.New(slog.NewTextHandler(book, nil))
		}
	}
	e := start(t, fs, scanned(0))
	keepRows(t, e, "coded", rows)
	until := func(what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("not within a minute: %s; %+v", what, e.memoryUse())
			}
		}
	}
	sl, err := e.registry.find("coded")
	if err != nil {
		t.Fatal(err)
	}
	until("codes are made", func() bool { return sl.space.Stats().ScannedBy != "" })
	checkpointNow(t, e, CheckpointWish{})
	closeEngine(t, e)

	e = start(t, fs, scanned(6<<20))
	defer closeEngine(t, e)
	cue := Cue{Space: "coded", Vector: wideRows(0, 1)[0].Observation.Vector, Limit: 1}
	if _, err := e.Recall(t.Context(), cue); err != nil { // wakes it
		t.Fatal(err)
	}
	until("codes are dropped", func() bool {
		// A space that nobody wants would fall asleep instead.
		if _, err := e.Recall(t.Context(), cue); err != nil {
			t.Fatal(err)
		}
		return book.times("codes dropped") > 0
	})
	if st := statusOfSpace(t, e, "coded"); !st.CodesWithheld || st.ScannedBy != "" || st.Mapped != rows {
		t.Errorf("without its codes: %+v", st)
	}
	r, err := e.Recall(t.Context(), cue)
	if err != nil || len(r.Hits) != 1 || r.Hits[0].Observation.ID != "row-0" {
		t.Errorf("%+v, %v", r, err)
	}
	until("there is room", func() bool {
		_, err := e.Observe(t.Context(), Batch{Space: "another", Wait: memory.AckVisible, Lane: memory.LaneNormal, In: wideRows(0, 10)})
		if err != nil && reasonOf(err) != fault.MemoryPressure {
			t.Fatal(err)
		}
		return err == nil
	})
}
