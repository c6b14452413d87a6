package main

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
)

// largeRows is for those who want to see on a small scale where memory goes.
var largeRows = flag.Int("large-rows", 1_000_000, "rows of the part large")

// large measures what memory a large space takes when its vectors are mapped
// from files, and what it finds, and what ten thousand small spaces take.
func large(r *report, bin, dir string, quick bool) error {
	rows, spaces, asks := *largeRows, 10_000, 200
	if quick {
		rows, spaces, asks = rows/10, 1000, 50
	}
	r.linef("\n## Memory\n")
	r.linef("Anonymous memory is RssAnon of the server, which the system cannot drop and read again from files. Vectors and records of full chunks are read from the files of checkpoints.\n")
	if err := largeSpace(r, bin, filepath.Join(dir, "large-space"), rows, 768, asks); err != nil {
		return fmt.Errorf("one large space: %w", err)
	}
	if err := smallSpaces(r, bin, filepath.Join(dir, "small-spaces"), spaces, 10); err != nil {
		return fmt.Errorf("many small spaces: %w", err)
	}
	return nil
}

// highWater looks at the memory of a server until done is called, which gives
// the most that was seen.
func (s *server) highWater() (done func() uint64) {
	var most atomic.Uint64
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		look := time.NewTicker(100 * time.Millisecond)
		defer look.Stop()
		for {
			select {
			case <-stop:
				return
			case <-look.C:
				anon, _ := s.memory()
				most.Store(max(most.Load(), anon))
			}
		}
	}()
	return func() uint64 {
		close(stop)
		<-ended
		return most.Load()
	}
}

func largeSpace(r *report, bin, data string, rows, dim, asks int) error {
	const limit = "1900MiB"
	s, err := start(bin, data, "--limits-memory", limit)
	if err != nil {
		return err
	}
	c, err := dial(s)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx := context.Background()
	most, began := s.highWater(), time.Now()
	g := newClustered(3, dim)
	if err := streamLarge(ctx, c, g, rows); err != nil {
		return err
	}
	build := time.Since(began)
	began = time.Now()
	if _, err := c.Checkpoint(ctx, false); err != nil {
		return err
	}
	wrote := time.Since(began)
	anon, file := s.memory()
	time.Sleep(5 * time.Second) // for what was let go to go
	settled, _ := s.memory()
	peak := most()
	r.linef("### One space of %d × %d, limits.memory %s\n", rows, dim, limit)
	r.linef("| streamed and indexed | checkpoint | anonymous memory, most | after the checkpoint | 5 s later | in files |")
	r.linef("|---|---|---|---|---|---|")
	r.linef("| %.0f s (%.0f/s) | %.1f s | %d MB | %d MB | **%d MB** | %d MB |\n", build.Seconds(), float64(rows)/build.Seconds(), wrote.Seconds(), peak>>20, anon>>20, settled>>20, file>>20)
	if err := askLarge(ctx, r, c, g, asks); err != nil {
		return err
	}
	anon, file = s.memory()
	r.linef("\nAfter these recalls: %d MB anonymous, %d MB of files.\n", anon>>20, file>>20)
	return s.stop()
}

// streamLarge streams rows made on the way, and waits until all are in the graph.
func streamLarge(ctx context.Context, c *engram.Client, g *clustered, rows int) error {
	sess, err := c.OpenSession(ctx, "large", engram.WithBatching(256, 1<<20, 2*time.Millisecond), engram.FlushTo(engram.Indexed))
	if err != nil {
		return err
	}
	blocks := make(chan []float32, 2)
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(blocks)
		for first := 0; first < rows; first += blockRows {
			select {
			case blocks <- g.block(1, uint64(first), min(blockRows, rows-first)): //nolint:gosec // small
			case <-stop.Done():
				return
			}
		}
	}()
	for block := range blocks {
		for at := 0; at < len(block); at += g.dim {
			if _, err := sess.Observe(ctx, engram.Observation{Vector: block[at : at+g.dim]}); err != nil {
				return err
			}
		}
	}
	if err := sess.Flush(ctx); err != nil {
		return err
	}
	_, err = sess.Close(ctx)
	return err
}

// askLarge compares recalls with exact search.
func askLarge(ctx context.Context, r *report, c *engram.Client, g *clustered, asks int) error {
	cues := g.block(2, 0, asks)
	cue := func(i int) engram.Cue { return engram.ByVector(cues[i*g.dim : (i+1)*g.dim]) }
	exact := make([][]engram.Result, asks)
	var asking sync.WaitGroup
	errs := make(chan error, 2)
	began := time.Now()
	for w := range 2 {
		asking.Go(func() {
			for i := w; i < asks; i += 2 {
				a, err := c.Recall(ctx, "large", cue(i), engram.Limit(10), engram.Exact())
				if err != nil {
					errs <- err
					return
				}
				exact[i] = a.Results
			}
		})
	}
	asking.Wait()
	select {
	case err := <-errs:
		return err
	default:
	}
	r.linef("%d recalls of ten over the wire, one after the other, against exact mode (two at once, %.0f ms each):\n", asks, 2*float64(time.Since(began).Milliseconds())/float64(asks))
	r.linef("| effort | recall@10 | p50 | p99 |")
	r.linef("|---|---|---|---|")
	for _, effort := range []int{0, 320} {
		opts := []engram.RecallOption{engram.Limit(10)}
		name := "default"
		if effort > 0 {
			opts, name = append(opts, engram.Effort(effort)), fmt.Sprint(effort)
		}
		took, hits, of := make([]time.Duration, asks), 0, 0
		for i := range asks {
			began := time.Now()
			a, err := c.Recall(ctx, "large", cue(i), opts...)
			if err != nil {
				return err
			}
			took[i] = time.Since(began)
			hits += common(exact[i], a.Results)
			of += len(exact[i])
		}
		slices.Sort(took)
		ms := func(q float64) float64 {
			return float64(took[min(asks-1, int(q*float64(asks)))].Microseconds()) / 1000
		}
		r.linef("| %s | **%.4f** | %.2f ms | %.2f ms |", name, float64(hits)/float64(max(1, of)), ms(.5), ms(.99))
	}
	return nil
}

func common(a, b []engram.Result) (n int) {
	in := map[string]bool{}
	for i := range a {
		in[a[i].Observation.ID] = true
	}
	for i := range b {
		if in[b[i].Observation.ID] {
			n++
		}
	}
	return n
}

func smallSpaces(r *report, bin, data string, spaces, rows int) error {
	s, err := start(bin, data)
	if err != nil {
		return err
	}
	c, err := dial(s)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx := context.Background()
	most := s.highWater()
	batch := make([]engram.Observation, rows)
	for i, v := range vectors(rows, 384) {
		batch[i] = engram.Observation{Content: fmt.Sprintf("row %d of a small space", i), Vector: v}
	}
	if err := fillSpaces(ctx, c, spaces, batch); err != nil {
		return err
	}
	filled, _ := s.memory()
	began := time.Now()
	if _, err := c.Checkpoint(ctx, false); err != nil {
		return err
	}
	wrote := time.Since(began)
	// Spaces that nobody uses leave memory half a minute later.
	var anon, file uint64
	for anon, file = s.memory(); anon > 100<<20 && time.Since(began) < 2*time.Minute; anon, file = s.memory() {
		time.Sleep(time.Second)
	}
	waited := time.Since(began)
	a, err := c.Recall(ctx, fmt.Sprintf("space-%05d", spaces/2), engram.ByVector(batch[0].Vector), engram.Limit(rows))
	if err != nil {
		return err
	}
	if len(a.Results) != rows {
		return fmt.Errorf("a small space has %d of its %d observations", len(a.Results), rows)
	}
	r.linef("### %d spaces of %d × 384\n", spaces, rows)
	r.linef("| anonymous memory, most | before the checkpoint | checkpoint | %.0f s after it began | in files |", waited.Seconds())
	r.linef("|---|---|---|---|---|")
	r.linef("| %d MB | %d MB | %.1f s | **%d MB** | %d MB |", most()>>20, filled>>20, wrote.Seconds(), anon>>20, file>>20)
	return s.stop()
}

// fillSpaces makes spaces of one batch each.
func fillSpaces(ctx context.Context, c *engram.Client, spaces int, batch []engram.Observation) error {
	var making sync.WaitGroup
	failed := make(chan error, 16)
	for w := range 16 {
		making.Go(func() {
			for i := w; i < spaces; i += 16 {
				if _, err := c.Observe(ctx, fmt.Sprintf("space-%05d", i), batch); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	making.Wait()
	close(failed)
	for err := range failed {
		return err
	}
	return nil
}
