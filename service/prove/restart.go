package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
)

// restarting measures how long a server takes to come back: to the first
// answered recall, and to taking observations with nothing left to index.
func restarting(r *report, bin, dir string, only parts, quick bool) error {
	r.linef("\n## Restart\n")
	r.linef("The files were written moments before, so they are in the page cache: a cold disk adds the time to read what is touched. First recall is counted from the start of the process, complete is when everything kept is visible and observations are taken. Rows of the journal's tail are scanned until the graph has them.\n")
	r.linef("| | first recall | complete | all in the graph | anonymous memory | in files |")
	r.linef("|---|---|---|---|---|---|")
	rows, spaces := 1_000_000, 10_000
	if quick {
		rows, spaces = 50_000, 1000
	}
	if only.oneOf("restart", "restart-large") {
		if err := restartLarge(r, bin, filepath.Join(dir, "large"), rows, 384); err != nil {
			return fmt.Errorf("restart with %d rows: %w", rows, err)
		}
	}
	if !only.oneOf("restart", "restart-many") {
		return nil
	}
	return restartMany(r, bin, filepath.Join(dir, "many"), spaces, 10)
}

func restartLarge(r *report, bin, data string, rows, dim int) error {
	ctx := context.Background()
	s, err := start(bin, data)
	if err != nil {
		return err
	}
	c, err := dial(s)
	if err != nil {
		return err
	}
	sess, err := c.OpenSession(ctx, "large", engram.WithBatching(256, 1<<20, 2*time.Millisecond), engram.FlushTo(engram.Indexed))
	if err != nil {
		return err
	}
	began := time.Now()
	cue := make([]float32, dim)
	rnd := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // data for a measurement
	for i := range rows {
		v := make([]float32, dim)
		for j := range v {
			v[j] = float32(rnd.NormFloat64())
		}
		if i == rows/2 {
			cue = v
		}
		o := engram.Observation{Content: fmt.Sprintf("observation %d of many, with a text of about eighty bytes as a note has", i), Vector: v}
		if _, err := sess.Observe(ctx, o); err != nil {
			return err
		}
	}
	if err := sess.Flush(ctx); err != nil {
		return err
	}
	build := time.Since(began)
	if _, err := sess.Close(ctx); err != nil {
		return err
	}
	c.Close()
	began = time.Now()
	if err := s.stop(); err != nil {
		return err
	}
	fmt.Printf("(streamed and indexed in %v, stopped in %v)\n", build.Round(time.Second), time.Since(began).Round(time.Millisecond))
	if err := comeBack(r, bin, data, fmt.Sprintf("%d × %d, after a clean stop", rows, dim), "large", cue, nil); err != nil {
		return err
	}
	// Again, after a crash with a tail.
	return comeBack(r, bin, data, fmt.Sprintf("the same, killed with -9 after 10,000 more in the tail (%d in all)", rows+10_000), "large", cue, func(s *server) error {
		c, err := dial(s)
		if err != nil {
			return err
		}
		defer c.Close()
		sess, err := c.OpenSession(ctx, "large", engram.WithBatching(256, 1<<20, 2*time.Millisecond))
		if err != nil {
			return err
		}
		for _, v := range vectors(10_000, dim) {
			if _, err := sess.Observe(ctx, engram.Observation{Vector: v}); err != nil {
				return err
			}
		}
		return sess.Flush(ctx)
	})
}

// comeBack starts a server on the data, does something first if asked to and
// kills it, and measures the start after that.
func comeBack(r *report, bin, data, what, space string, cue []float32, before func(*server) error) error {
	if before != nil {
		s, err := start(bin, data)
		if err != nil {
			return err
		}
		if err := ready(s); err != nil {
			return err
		}
		if err := before(s); err != nil {
			return err
		}
		if err := s.cmd.Process.Kill(); err != nil {
			return err
		}
		_ = s.cmd.Wait() //nolint:errcheck // it was killed
	}
	began := time.Now()
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
	a, err := c.Recall(ctx, space, engram.ByVector(cue))
	if err != nil {
		return err
	}
	first := time.Since(began)
	if len(a.Results) == 0 {
		return fmt.Errorf("a recall finds nothing")
	}
	if err := ready(s); err != nil {
		return err
	}
	complete := time.Since(began)
	for {
		sp, err := c.GetSpace(ctx, space)
		if err != nil {
			return err
		}
		if sp.Unindexed == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	indexed := time.Since(began)
	anon, file := s.memory()
	r.linef("| %s | %.2f s | %.2f s | %.2f s | %d MB | %d MB |", what, first.Seconds(), complete.Seconds(), indexed.Seconds(), anon>>20, file>>20)
	return s.stop()
}

// ready waits until the server takes observations.
func ready(s *server) error {
	c, err := dial(s)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for {
		st, err := c.Status(ctx)
		if err != nil {
			return err
		}
		if st.State.String() == "SERVER_STATE_SERVING" {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func restartMany(r *report, bin, data string, spaces, rows int) error {
	ctx := context.Background()
	s, err := start(bin, data)
	if err != nil {
		return err
	}
	c, err := dial(s)
	if err != nil {
		return err
	}
	defer c.Close()
	batch := make([]engram.Observation, rows)
	for i, v := range vectors(rows, 384) {
		batch[i] = engram.Observation{Content: fmt.Sprintf("row %d of a small space", i), Vector: v}
	}
	var making sync.WaitGroup
	failed := make(chan error, 16)
	for w := range 16 {
		making.Add(1)
		go func() {
			defer making.Done()
			for i := w; i < spaces; i += 16 {
				if _, err := c.Observe(ctx, fmt.Sprintf("space-%05d", i), batch); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	making.Wait()
	close(failed)
	for err := range failed {
		return err
	}
	began := time.Now()
	if err := s.stop(); err != nil {
		return err
	}
	fmt.Printf("(stopped in %v)\n", time.Since(began).Round(time.Millisecond))
	began = time.Now()
	s, err = start(bin, data)
	if err != nil {
		return err
	}
	if err := ready(s); err != nil {
		return err
	}
	complete := time.Since(began)
	anon, file := s.memory()
	c2, err := dial(s)
	if err != nil {
		return err
	}
	defer c2.Close()
	a, err := c2.Recall(ctx, fmt.Sprintf("space-%05d", spaces/2), engram.ByVector(batch[0].Vector))
	if err != nil {
		return fmt.Errorf("recall of a small space: %w", err)
	}
	if len(a.Results) != rows {
		return fmt.Errorf("recall of a small space finds %d", len(a.Results))
	}
	r.linef("| %d idle spaces of %d × 384 | – | %.2f s | – | %d MB | %d MB |", spaces, rows, complete.Seconds(), anon>>20, file>>20)
	return s.stop()
}

// memory is what the server has resident, anonymous and of files, in bytes.
func (s *server) memory() (anon, file uint64) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var n uint64
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "RssAnon:"):
			fmt.Sscanf(line, "RssAnon: %d kB", &n) //nolint:errcheck,gosec // 0 says that it failed
			anon = n << 10
		case strings.HasPrefix(line, "RssFile:"):
			fmt.Sscanf(line, "RssFile: %d kB", &n) //nolint:errcheck,gosec // as above
			file = n << 10
		}
	}
	return anon, file
}
