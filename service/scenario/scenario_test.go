//go:build failpoints

package scenario

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
)

// (a) Everything that is streamed ends up in a graph, and is found there.
func TestTenThousandIndexed(t *testing.T) {
	s := start(t, "", "--space-index-threshold", "0")
	c, ctx := s.dial()
	const total = 10_000
	data := vectors(1, total, 32)
	var indexed atomic.Uint64
	sess, err := c.OpenSession(ctx, "graph", engram.FlushTo(engram.Indexed), engram.OnAck(func(l engram.Level, through, _ uint64) {
		if l == engram.Indexed {
			indexed.Store(through)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range data {
		if _, err := sess.Observe(ctx, engram.Observation{ID: fmt.Sprintf("v-%d", i), Vector: v}); err != nil {
			t.Fatal(err)
		}
	}
	if err := sess.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if n := indexed.Load(); n != total {
		t.Fatalf("INDEXED through %d, want %d", n, total)
	}
	if sp, err := c.GetSpace(ctx, "graph"); err != nil || sp.Observations != total || sp.Unindexed != 0 {
		t.Fatalf("%+v, %v", sp, err)
	}
	first := 0
	for i := 0; i < total; i += 50 {
		r, err := c.Recall(ctx, "graph", engram.ByVector(data[i]), engram.Limit(10))
		if err != nil || len(r.Results) != 10 {
			t.Fatalf("%+v, %v", r, err)
		}
		if r.Results[0].Observation.ID == fmt.Sprintf("v-%d", i) && r.Results[0].InGraph {
			first++
		}
		if r.Scanned != 0 {
			t.Fatalf("%d rows were scanned; all are in the graph", r.Scanned)
		}
	}
	if first != total/50 {
		t.Errorf("the exact hit came first, from the graph, %d times of %d", first, total/50)
	}
	if end, err := sess.Close(ctx); err != nil || end != (engram.Closed{FinalSequence: total, Accepted: total}) {
		t.Fatalf("%+v, %v", end, err)
	}
	s.stop()
}

// (b) Spaces are isolated: no id is seen in another's.
func TestThreeSpacesAreIsolated(t *testing.T) {
	s := start(t, "")
	const each = 5000
	var wg sync.WaitGroup
	for k := range 3 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c, ctx := s.dial()
			space := fmt.Sprintf("space-%d", k)
			sess, err := c.OpenSession(ctx, space)
			if err != nil {
				t.Error(err)
				return
			}
			for i, v := range vectors(uint64(100+k), each, 16) {
				if _, err := sess.Observe(ctx, engram.Observation{ID: fmt.Sprintf("%d/%d", k, i), Vector: v}); err != nil {
					t.Error(err)
					return
				}
			}
			if end, err := sess.Close(ctx); err != nil || end.Accepted != each {
				t.Errorf("%+v, %v", end, err)
			}
		}()
	}
	wg.Wait()
	c, ctx := s.dial()
	cues := vectors(9, 30, 16)
	for k := range 3 {
		space, mine := fmt.Sprintf("space-%d", k), fmt.Sprintf("%d/", k)
		if n := len(ids(t, all(t, ctx, c, space))); n != each {
			t.Errorf("%s holds %d, want %d", space, n, each)
		}
		for _, cue := range cues {
			r, err := c.Recall(ctx, space, engram.ByVector(cue), engram.Limit(100))
			if err != nil || len(r.Results) != 100 {
				t.Fatalf("%d results, %v", len(r.Results), err)
			}
			for _, x := range r.Results {
				if x.Observation.ID[:2] != mine {
					t.Fatalf("%s is found in %s", x.Observation.ID, space)
				}
			}
		}
	}
}

// (d) Workers panic in the midst of batches, under uneven load: everything is
// processed, in order, and idle workers take over from busy ones.
func TestWorkersPanicMidBatch(t *testing.T) {
	s := start(t, "worker.batch=panic@every:11;space.apply=panic@every:701", "--worker-count", "4")
	c, ctx := s.dial()
	load := map[string]int{"hot": 3200}
	for k := range 9 {
		load[fmt.Sprintf("cool-%d", k)] = 200
	}
	var wg sync.WaitGroup
	for space, n := range load {
		wg.Add(1)
		go func() {
			defer wg.Done()
			sess, err := c.OpenSession(ctx, space, engram.WithBatching(16, 1<<20, time.Millisecond))
			if err != nil {
				t.Error(err)
				return
			}
			for i, v := range vectors(3, n, 8) {
				if _, err := sess.Observe(ctx, engram.Observation{Vector: v, Metadata: map[string]any{"n": float64(i)}}); err != nil {
					t.Error(err)
					return
				}
			}
			if end, err := sess.Close(ctx); err != nil || int(end.Accepted) != n || end.Rejected != 0 {
				t.Errorf("%s: %+v, %v", space, end, err)
			}
		}()
	}
	wg.Wait()
	for space, n := range load {
		list := all(t, ctx, c, space)
		if len(ids(t, list)) != n {
			t.Errorf("%s holds %d, want %d", space, len(list), n)
		}
		for i, x := range list {
			if x.Metadata["n"] != float64(i) || x.Generation != uint64(i+1) {
				t.Fatalf("%s: number %v stands at place %d, generation %d", space, x.Metadata["n"], i, x.Generation)
			}
		}
	}
	st, err := c.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var stolen, panics uint64
	for _, w := range st.Workers {
		stolen += w.Stolen
		panics += w.Panics
	}
	if stolen == 0 || panics == 0 {
		t.Errorf("%d batches were stolen and %d panics caught; both were to be seen", stolen, panics)
	}
	s.stop()
}

// (e) Recalls run beside the stream: each answer is of one generation,
// generations never go back, and nothing that was acked VISIBLE is missed.
func TestRecallWhileStreaming(t *testing.T) {
	s := start(t, "", "--space-index-threshold", "2000")
	c, ctx := s.dial()
	const total = 10_000
	data := vectors(5, total, 24)
	type mark struct{ through, generation uint64 }
	var visible atomic.Pointer[mark]
	visible.Store(&mark{})
	sess, err := c.OpenSession(ctx, "busy", engram.OnAck(func(l engram.Level, through, gen uint64) {
		if l == engram.Visible {
			visible.Store(&mark{through, gen})
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		for i, v := range data {
			if _, err := sess.Observe(ctx, engram.Observation{ID: fmt.Sprintf("v-%d", i), Vector: v}); err != nil {
				done <- err
				return
			}
			if i%1000 == 999 { // a breath, so that recalls meet many states
				if err := sess.Flush(ctx); err != nil {
					done <- err
					return
				}
			}
		}
		done <- sess.Flush(ctx)
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	last, asked := uint64(0), 0
	check := func() {
		m := visible.Load()
		if m.through == 0 {
			return
		}
		i := int(m.through) - 1 // the newest that is visible
		r, err := c.Recall(ctx, "busy", engram.ByVector(data[i]), engram.Limit(5))
		if err != nil {
			t.Fatal(err)
		}
		asked++
		if r.Generation < last || r.Generation < m.generation {
			t.Fatalf("generation %d after %d, acked %d", r.Generation, last, m.generation)
		}
		last = r.Generation
		if len(r.Results) == 0 || r.Results[0].Observation.ID != fmt.Sprintf("v-%d", i) {
			t.Fatalf("v-%d was acked VISIBLE at %d and is missed at %d", i, m.generation, r.Generation)
		}
		for _, x := range r.Results {
			if x.Generation > r.Generation {
				t.Fatalf("a row of generation %d in an answer of %d", x.Generation, r.Generation)
			}
		}
	}
	for streaming := true; streaming; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			streaming = false
		case <-tick.C:
		}
		check()
	}
	if asked == 0 || last != total {
		t.Fatalf("%d recalls, the last of generation %d", asked, last)
	}
	if _, err := sess.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// A journal that fails takes nothing new, says so, and recalls go on.
func TestFailedJournalStillRecalls(t *testing.T) {
	s := start(t, "journal.sync=error@4")
	c, ctx := s.dial()
	var failed error
	kept := 0
	for i := range 20 {
		_, err := c.Observe(ctx, "notes", []engram.Observation{{ID: fmt.Sprintf("n-%d", i), Content: fmt.Sprintf("note number %d", i)}})
		if err != nil {
			failed = err
			break
		}
		kept++
	}
	if engram.ReasonOf(failed) != "JOURNAL_FAILED" {
		t.Fatalf("after %d kept: %v", kept, failed)
	}
	var e *engram.Error
	if _, err := c.OpenSession(ctx, "notes"); !errors.As(err, &e) || e.Reason != "JOURNAL_FAILED" || !e.Retryable {
		t.Fatalf("opening a session: %v", err)
	}
	if kept > 0 {
		r, err := c.Recall(ctx, "notes", engram.ByText("note number 0"))
		if err != nil || len(r.Results) != kept {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	s.kill()
	s.again()
	if n := len(all(t, ctx, c, "notes")); n < kept {
		t.Fatalf("%d after the restart, %d were acked", n, kept)
	}
}
