// Command peers measures the journal side by side with key-value stores that
// could take its place: the same records, written by as many writers in
// batches of the same size, each batch on stable storage before its writer
// goes on, on the same file system, in one run.
//
//	make bench-journal
//
// Every measurement is a process of its own, so that processor time and bytes
// written are one contestant's alone; the contestants take turns, and the page
// it writes gives the median, the least and the greatest of the rounds. It
// judges nothing; tests never time anything.
//
// It is a module of its own so that the stores it compares with are no
// dependencies of the project.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"
)

type settings struct {
	out, dir, only, profile string
	rounds, records         int
	child, contestant       string
}

func main() {
	var s settings
	flag.StringVar(&s.out, "out", "", "folder to write the page to; empty: only print it")
	flag.StringVar(&s.dir, "dir", os.TempDir(), "folder on the file system to measure")
	flag.StringVar(&s.only, "only", "", "contestants to measure, comma-separated; empty: all")
	flag.IntVar(&s.rounds, "rounds", 5, "how often each contestant is measured")
	flag.IntVar(&s.records, "records", 200_000, "records to write in each measurement")
	flag.StringVar(&s.profile, "profile", "", "file for a profile of the last measurement of writing")
	flag.StringVar(&s.child, "child", "", "used by the program itself: write or reopen")
	flag.StringVar(&s.contestant, "contestant", "", "used by the program itself")
	flag.Parse()
	run := compare
	if s.child != "" {
		run = child
	}
	if err := run(s); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// compare is the parent: it runs the rounds and writes the page.
func compare(s settings) error {
	chosen := contestants
	if s.only != "" {
		names := strings.Split(s.only, ",")
		chosen = slices.DeleteFunc(slices.Clone(chosen), func(c contestant) bool { return !slices.Contains(names, c.name) })
	}
	if len(chosen) == 0 || s.rounds < 1 || s.records < 1 {
		return errors.New("nothing to measure")
	}
	seen := map[string][]figures{}
	var disk []figures
	for round := range s.rounds {
		syscall.Sync()
		d, err := plainFile(s.dir)
		if err != nil {
			return fmt.Errorf("plain file: %w", err)
		}
		disk = append(disk, d)
		for _, c := range chosen {
			f, err := measure(s, c)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			fmt.Fprintf(os.Stderr, "round %d, %s: %.0f records/s, %.2f µs, %.3f\n", round+1, c.name, f.PerSecond, f.CPU, f.Amplification)
			seen[c.name] = append(seen[c.name], f)
		}
	}
	text := page(s, chosen, seen, disk)
	fmt.Print(text)
	if s.out == "" {
		return nil
	}
	if err := os.MkdirAll(s.out, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.out, time.Now().Format(time.DateOnly)+"-journal.md"), []byte(text), 0o644) //nolint:gosec // a page of the docs
}

// measure is one contestant's turn: one process writes and ends without
// closing the store, another one opens what is there.
func measure(s settings, c contestant) (f figures, err error) {
	dir, err := os.MkdirTemp(s.dir, "engram-peers-")
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, what := range []string{"write", "reopen"} {
		syscall.Sync()                                                                      // nobody pays for what another one has left to write
		cmd := exec.Command(os.Args[0], "-child", what, "-contestant", c.name, "-dir", dir, //nolint:gosec // ourselves
			"-records", fmt.Sprint(s.records), "-profile", s.profile)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return f, fmt.Errorf("%s: %w", what, err)
		}
		if err := json.Unmarshal(out, &f); err != nil {
			return f, fmt.Errorf("%s: %w", what, err)
		}
	}
	return f, nil
}

// child is one measurement, printed as JSON.
func child(s settings) error {
	i := slices.IndexFunc(contestants, func(c contestant) bool { return c.name == s.contestant })
	if i < 0 {
		return fmt.Errorf("there is no contestant %q", s.contestant)
	}
	var result any
	var err error
	switch s.child {
	case "write":
		if s.profile != "" {
			file, err := os.Create(s.profile)
			if err != nil {
				return err
			}
			if err := pprof.StartCPUProfile(file); err != nil {
				return err
			}
		}
		result, err = writeAll(contestants[i], s.dir, s.records)
		pprof.StopCPUProfile()
	case "reopen":
		result, err = reopen(contestants[i], s.dir, s.records)
	default:
		err = fmt.Errorf("there is no measurement %q", s.child)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result) // and out, without a Close
}
