package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	engram "github.com/engram-stream/engram/sdk/go"
	"github.com/engram-stream/engram/service/cmd/engram/internal/jsonl"
)

// maxReports bounds how many unsound lines are told one by one.
const maxReports = 100

// importFlags are the settings of the import verb.
type importFlags struct {
	ack      string
	replace  bool
	embedder string
}

func importCommand() *cobra.Command {
	var f importFlags
	c := &cobra.Command{
		Use: "import SPACE [FILE|-]", Short: "Read JSON lines into a space", Args: cobra.RangeArgs(1, 2),
		Long: `Reads JSON lines into a space: what 'engram export' wrote, or lines written by
hand, such as {"content":"the keys hang by the door"}. Ids are kept; a line
without one gets one derived from what it says. So importing again, or going on
after an interruption, adds nothing that is there.

A missing space is created, with the settings in the file if it has them. A line
that cannot be taken is reported with its number, and the others go on.`,
		Example: "  engram import notes notes.jsonl\n  gunzip < notes.jsonl.gz | engram import copy",
	}
	c.Flags().StringVar(&f.ack, "ack", "visible", "how far everything must have come at the end: durable, visible or indexed")
	c.Flags().BoolVar(&f.replace, "replace", false, "overwrite what the space holds under the same ids with other content")
	c.Flags().StringVar(&f.embedder, "embedder", "", "create the space with this embedder in place of the file's: none, hashing or openai")
	return clientVerb(c, func(ctx context.Context, v *verb, args []string) error {
		level, ok := levels[f.ack]
		if !ok {
			return usageError("--ack is %q; durable, visible and indexed are known", f.ack)
		}
		var in io.Reader
		name := "stdin"
		if len(args) == 1 || args[1] == "-" {
			in = interruptible(ctx, os.Stdin)
		} else {
			file, err := os.Open(args[1])
			if err != nil {
				return usageError("%w", err)
			}
			defer file.Close() //nolint:errcheck // only read
			in, name = file, args[1]
		}
		i := importer{v: v, space: args[0], name: name, flags: f, level: level}
		return i.run(ctx, in)
	})
}

// imported is what the import verb did. New is by how much the generation of
// the space rose, but no more than was kept: others may write into it too.
type imported struct {
	Space      string  `json:"space"`
	Session    string  `json:"session"`
	Lines      int     `json:"lines"` // with an observation, or that should have one
	New        uint64  `json:"new"`
	Present    uint64  `json:"already_there"`
	Unsound    uint64  `json:"unsound"` // cannot be read, or were rejected
	Truncated  bool    `json:"truncated,omitempty"`
	Generation uint64  `json:"generation"`
	Seconds    float64 `json:"seconds"`
}

// importer reads lines into one space. Rejections are heard on a goroutine of
// the session, while lines are read on the verb's: mu guards what both touch.
type importer struct {
	v     *verb
	space string
	name  string
	flags importFlags
	level engram.Level

	lines     int // with an observation, or that should have one
	truncated bool

	mu      sync.Mutex
	origins origins
	unsound uint64
}

func (i *importer) run(ctx context.Context, in io.Reader) error {
	r := jsonl.NewReader(in)
	first, n, err := firstLine(r)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, jsonl.ErrTooLong) {
		return err
	}
	header, exported, headerErr := jsonl.ParseHeader(first)
	if headerErr != nil {
		return usageError("%s:%d: %w", i.name, n, headerErr)
	}
	if exported {
		if err := i.ensure(ctx, header.Settings); err != nil {
			return err
		}
		first = nil
	}
	before, err2 := i.v.client.GetSpace(ctx, i.space)
	if err2 != nil && !engram.IsNotFound(err2) {
		return err2
	}
	began := time.Now()
	s, err2 := i.v.client.OpenSession(ctx, i.space, engram.FlushTo(i.level), engram.OnRejection(i.rejected))
	if err2 != nil {
		return err2
	}
	bar := i.v.progressOf("importing", -1)
	f := feeder{i, s, bar, exported, false}
	failed := f.feed(ctx, r, first, err, n)
	ctx, cancel := finishing(ctx, &failed)
	defer cancel()
	end, failed, err := finish(ctx, s, failed, withoutRejections)
	_ = bar.Finish() //nolint:errcheck // only looks
	if err != nil {
		return errors.Join(failed, err)
	}
	after, err := i.v.client.GetSpace(ctx, i.space)
	if err != nil {
		return errors.Join(failed, err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	kept := end.FinalSequence - end.Rejected
	sum := imported{
		Space: i.space, Session: s.ID(), Lines: i.lines, New: min(after.Generation-before.Generation, kept), Unsound: i.unsound,
		Truncated: i.truncated, Generation: after.Generation, Seconds: time.Since(began).Seconds(),
	}
	sum.Present = kept - sum.New
	return errors.Join(failed, i.summarize(sum))
}

// withoutRejections leaves out news that rejected has told.
func withoutRejections(err error) error {
	var rejected *engram.RejectedError
	if errors.As(err, &rejected) {
		return nil
	}
	return err
}

// firstLine reads up to the first line that is not empty, and gives its number.
func firstLine(r *jsonl.Reader) ([]byte, int, error) {
	for n := 1; ; n++ {
		line, err := r.Next()
		if err != nil || len(bytes.TrimSpace(line)) > 0 {
			return bytes.Clone(line), n, err
		}
	}
}

// ensure makes sure that the space is there, and can hold what the file has.
func (i *importer) ensure(ctx context.Context, set jsonl.Settings) error {
	want, err := set.NewSpace()
	if err != nil {
		return usageError("%s: %w", i.name, err)
	}
	s, err := i.v.client.GetSpace(ctx, i.space)
	switch {
	case engram.IsNotFound(err):
		if i.flags.embedder != "" {
			want.Embedder, set.EmbedderModel = i.flags.embedder, ""
		}
		if s, _, err = i.v.client.CreateSpace(ctx, i.space, want); err != nil {
			return fmt.Errorf("create space %s with the settings in %s (--embedder none leaves its embedder out): %w", i.space, i.name, err)
		}
	case err != nil:
		return err
	case s.Dimension != 0 && want.Dimension != 0 && s.Dimension != want.Dimension:
		return usageError("space %s has vectors of %d components, those in %s have %d", i.space, s.Dimension, i.name, want.Dimension)
	}
	if s.Metric != want.Metric {
		i.note("space %s compares by %s, the one in %s by %s", i.space, s.Metric, i.name, want.Metric)
	}
	if set.EmbedderModel != "" && s.EmbedderModel != set.EmbedderModel {
		i.note("texts in %s were embedded by %s; recalls by text in space %s use %q, whose vectors may not compare with them",
			i.name, set.EmbedderModel, i.space, s.EmbedderModel)
	}
	return nil
}

func (i *importer) note(format string, args ...any) {
	_, _ = fmt.Fprintf(i.v.errs, "note: "+format+"\n", args...) //nolint:errcheck // nobody is reading
}

// report tells of a line that could not be taken.
func (i *importer) report(line int, why string) {
	i.mu.Lock()
	i.unsound++
	n := i.unsound
	i.mu.Unlock()
	switch {
	case n <= maxReports:
		_, _ = fmt.Fprintf(i.v.errs, "%s:%d: %s\n", i.name, line, why) //nolint:errcheck // nobody is reading
	case n == maxReports+1:
		i.note("more lines could not be taken; they are only counted")
	}
}

func (i *importer) rejected(r engram.Rejection) {
	i.mu.Lock()
	line := i.origins.line(r.Sequence)
	i.mu.Unlock()
	i.report(line, r.Reason+": "+r.Message)
}

// summarize says what was done. An unsound line fails the verb, and so does a
// file that was cut short.
func (i *importer) summarize(sum imported) error {
	if i.v.json {
		if err := i.v.printJSON(sum); err != nil {
			return err
		}
	} else {
		i.v.printf("%d lines: %d new, %d already there, %d unsound in %.1f s; space %s is at generation %d\n",
			sum.Lines, sum.New, sum.Present, sum.Unsound, sum.Seconds, sum.Space, sum.Generation)
	}
	switch {
	case sum.Unsound > 0:
		return fmt.Errorf("%d of %d lines could not be taken", sum.Unsound, sum.Lines)
	case sum.Truncated:
		return fmt.Errorf("%s was cut short: an export ends with its count, and that is missing or another", i.name)
	}
	return nil
}

// feeder hands the lines of a file to a session.
type feeder struct {
	*importer
	s        *engram.Session
	bar      *progressbar.ProgressBar
	exported bool // a header came
	ended    bool // the last line of an export came
}

// feed goes through the lines; line and err are what was read first, as line
// number n.
func (f *feeder) feed(ctx context.Context, r *jsonl.Reader, line []byte, err error, n int) error {
	for ; ; n++ {
		switch {
		case errors.Is(err, io.EOF):
			f.truncated = f.truncated || f.exported && !f.ended
			return nil
		case errors.Is(err, jsonl.ErrTooLong):
			f.lines++
			f.report(n, err.Error())
		case err != nil:
			return err
		case len(bytes.TrimSpace(line)) > 0:
			if err := f.line(ctx, line, n); err != nil {
				return err
			}
		}
		line, err = r.Next()
	}
}

func (f *feeder) line(ctx context.Context, line []byte, n int) error {
	if end, ok := jsonl.ParseEnd(line); ok {
		f.ended = true
		f.truncated = f.truncated || end.Observations != uint64(f.lines)
		return nil
	}
	f.lines++
	o, err := jsonl.Parse(line)
	if err != nil {
		f.report(n, err.Error())
		return nil
	}
	o.Replace = o.Replace || f.flags.replace
	// Before the session has it: its rejection may come at once.
	f.mu.Lock()
	undo := f.origins.add(n)
	f.mu.Unlock()
	_, err = f.s.Observe(ctx, o)
	if engram.IsInvalid(err) {
		f.mu.Lock()
		undo()
		f.mu.Unlock()
		f.report(n, err.Error())
		return nil
	}
	_ = f.bar.Add(1) //nolint:errcheck // only looks
	return err
}

// origins says from which line each number of the session came. It holds a pair
// only where lines were left out.
type origins struct {
	next  uint64 // the number that the next line gets, less one
	first []uint64
	lines []int // of the number in first, those after it count on
}

// add gives the next number to a line; undo takes it back.
func (o *origins) add(line int) (undo func()) {
	o.next++
	k := len(o.first)
	if k == 0 || o.lines[k-1]+int(o.next-o.first[k-1]) != line {
		o.first, o.lines = append(o.first, o.next), append(o.lines, line)
	}
	return func() {
		o.next--
		o.first, o.lines = o.first[:k], o.lines[:k]
	}
}

// line gives the line of a number.
func (o *origins) line(number uint64) int {
	k := sort.Search(len(o.first), func(k int) bool { return o.first[k] > number }) - 1
	if k < 0 {
		return 0
	}
	return o.lines[k] + int(number-o.first[k])
}
