// Command vectors measures the vector engine side by side with libraries that
// do the same: the same vectors, the same shape of graph, in one run.
//
//	make bench-peers
//
// Every measurement is a process of its own with one thread (two while it
// inserts beside recalls), so that processor time and memory are one
// contestant's alone; the contestants take turns, and the page it writes gives
// the median, the least and the greatest of the rounds. It judges nothing;
// tests never time anything.
//
// It is a module of its own because it is no part of the project's build; what
// it compares with is C++ (cpp/) and Python (python/). A contestant that is not
// to be had on a machine is left out, and the page says why.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
)

type settings struct {
	out, data, python, only, sets, profile string
	quick                                  bool
	within                                 time.Duration
	piece                                  int
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "-child" {
		exit(child(os.Args[2:]))
	}
	var s settings
	flag.StringVar(&s.out, "out", "", "folder to write the page to; empty: only print it")
	flag.StringVar(&s.data, "data", "", "folder with real data: sift128, wine384")
	flag.StringVar(&s.python, "python", "", "Python that has usearch and faiss")
	flag.StringVar(&s.only, "only", "", "contestants to measure, comma-separated; empty: all")
	flag.StringVar(&s.sets, "sets", "", "data sets to measure, parts of their names, comma-separated; empty: all")
	flag.StringVar(&s.profile, "profile", "", "prefix of files for profiles of the project's inserts and queries")
	flag.BoolVar(&s.quick, "quick", false, "fewer rows and rounds")
	flag.DurationVar(&s.within, "within", 58*time.Minute, "how long the run may take; what is left then is left out")
	flag.IntVar(&s.piece, "piece", 8192, "rows that the project's index worker takes at a time")
	flag.Parse()
	exit(compare(s))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "vectors:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// results are what a run has seen.
type results struct {
	contestants []contestant
	versions    []string
	sets        []*dataset
	seen        map[*dataset]map[string]rounds
	skipped     []string // what was left out, and why
}

// compare is the parent: it runs the rounds and writes the page.
func compare(s settings) (err error) {
	dir, err := os.MkdirTemp("", "engram-vectors-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(interrupted, s.within)
	defer cancel()

	r := &results{seen: map[*dataset]map[string]rounds{}}
	commands := map[string][]string{}
	for _, c := range contestants {
		if s.only != "" && !slices.Contains(strings.Split(s.only, ","), c.name) {
			continue
		}
		command, version, err := c.ready(s, dir)
		if err != nil {
			r.skip("%s: %v", c.name, err)
			continue
		}
		if version != "" && !slices.Contains(r.versions, version) {
			r.versions = append(r.versions, version)
		}
		r.contestants, commands[c.name] = append(r.contestants, c), command
	}
	for _, d := range datasets(s.quick) {
		if !d.chosen(s.sets) {
			continue
		}
		if err := r.measure(ctx, s, d, filepath.Join(dir, "data"), commands); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	if interrupted.Err() != nil {
		return errors.New("interrupted")
	}
	text := r.page(s)
	fmt.Print(text)
	if s.out == "" {
		return nil
	}
	if err := os.MkdirAll(s.out, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.out, time.Now().Format(time.DateOnly)+"-vectors.md"), []byte(text), 0o644) //nolint:gosec // a page of the docs
}

func (d *dataset) chosen(sets string) bool {
	return sets == "" || slices.ContainsFunc(strings.Split(sets, ","), func(part string) bool { return strings.Contains(d.name, part) })
}

func (r *results) skip(format string, args ...any) {
	r.skipped = append(r.skipped, fmt.Sprintf(format, args...))
	fmt.Fprintf(os.Stderr, "left out: "+format+"\n", args...)
}

// measure makes a data set and lets the contestants take turns on it.
func (r *results) measure(ctx context.Context, s settings, d *dataset, dir string, commands map[string][]string) error {
	if ctx.Err() != nil {
		r.skip("%s: the time of the run was over", d.name)
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the folder above is removed too, and reported
	f, err := d.write(s, dir)
	if err != nil {
		r.skip("%s: %v", d.name, err)
		return nil
	}
	debug.FreeOSMemory() // the vectors: they are in the files
	r.sets, r.seen[d] = append(r.sets, d), map[string]rounds{}
	failed := map[string]bool{}
	for round := range d.rounds {
		for _, c := range r.contestants {
			if failed[c.name] {
				continue
			}
			t := &task{contestant: c.arg, files: f, metric: d.metric, dim: d.dim, rows: d.rows, extra: d.extra, queries: d.queries, piece: s.piece}
			if c.name == own && s.profile != "" {
				name := s.profile + strings.NewReplacer(" ", "", "×", "x").Replace(d.name)
				t.insertProfile, t.queriesProfile = name+"-inserts.prof", name+"-queries.prof"
			}
			began := time.Now()
			x, err := measure(ctx, commands[c.name], t)
			if err != nil {
				failed[c.name] = true
				r.skip("%s on %s, round %d: %v", c.name, d.name, round+1, err)
				continue
			}
			q, _, _ := x.at(.95)
			fmt.Fprintf(os.Stderr, "%s, round %d, %s: %.0f inserts/s, %.0f queries/s at .95, %.0f bytes a row; %.0f s\n",
				d.name, round+1, c.name, x.Inserts, q, x.Bytes, time.Since(began).Seconds())
			r.seen[d][c.name] = append(r.seen[d][c.name], x)
		}
	}
	return nil
}
