package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	engram "github.com/engram-stream/engram/sdk/go"
	"github.com/engram-stream/engram/service/cmd/engram/internal/source"
)

// observeFlags are the settings of the observe verb.
type observeFlags struct {
	dim      int
	priority string
	ack      string
	rate     int
}

func observeCommand() *cobra.Command {
	var f observeFlags
	c := &cobra.Command{
		Use: "observe SPACE [FILE|DIR|-]…", Short: "Stream files or lines into a space", Args: cobra.MinimumNArgs(1),
		Long: `Streams observations into a space: text and Markdown by paragraph, standard
input (-, the default) by line, .jsonl an observation a line, .npy and raw .f32
(with --dim) a vector a row. Ids are derived from the content and its source, so
doing it again, or going on after an interruption, adds no duplicates.`,
		Example: "  engram observe notes README.md docs/\n  journalctl -f | engram observe logs",
	}
	c.Flags().IntVar(&f.dim, "dim", 0, "length of the rows of raw vector files")
	c.Flags().StringVar(&f.priority, "priority", "normal", "high, normal or low")
	c.Flags().StringVar(&f.ack, "ack", "visible", "how far everything must have come at the end: durable, visible or indexed")
	c.Flags().IntVar(&f.rate, "rate", 0, "observations a second at the most; 0 is as fast as the server takes them")
	return clientVerb(c, func(ctx context.Context, v *verb, args []string) error {
		paths := args[1:]
		if len(paths) == 0 {
			paths = []string{"-"}
		}
		files, err := source.Expand(paths)
		if err != nil {
			return usageError("%w", err)
		}
		opts := source.Options{Dim: f.dim}
		if slices.Contains(files, "-") {
			opts.Stdin = interruptible(ctx, os.Stdin)
		}
		sum, err := observe(ctx, v, args[0], source.Files(files, opts), f)
		if sum.Session == "" {
			return err
		}
		return errors.Join(err, v.printSummary(sum))
	})
}

// interruptible reads from in until ctx ends. A read of a pipe or a terminal
// cannot be broken off, so a goroutine does it; one that still waits for input
// ends with the process.
func interruptible(ctx context.Context, in io.Reader) io.Reader {
	r, w := io.Pipe()
	context.AfterFunc(ctx, func() { _ = r.CloseWithError(ctx.Err()) }) //nolint:errcheck // is always nil
	go func() {
		_, err := io.Copy(w, in)
		_ = w.CloseWithError(err) //nolint:errcheck // is always nil
	}()
	return r
}

// printSummary says what was done. That something was rejected fails the verb.
func (v *verb) printSummary(sum summary) error {
	if v.json {
		if err := v.printJSON(sum); err != nil {
			return err
		}
	} else {
		v.printf("%d observed, %d new, %d already there, %d rejected in %.1f s (%.0f/s); session %s\n",
			sum.Observed, sum.New, sum.Observed-sum.New-sum.Rejected, sum.Rejected, sum.Seconds, sum.Rate, sum.Session)
	}
	if sum.Rejected > 0 {
		return fmt.Errorf("%d of %d observations were rejected", sum.Rejected, sum.Observed)
	}
	return nil
}

// summary is what the observe verb did. New is by how much the generation of the
// space rose, but no more than was kept: others may write into it too.
type summary struct {
	Space      string  `json:"space"`
	Session    string  `json:"session"`
	Observed   uint64  `json:"observed"`
	New        uint64  `json:"new"`
	Rejected   uint64  `json:"rejected"`
	Generation uint64  `json:"generation"`
	Seconds    float64 `json:"seconds"`
	Rate       float64 `json:"rate"`
}

var priorities = map[string]engram.Priority{"high": engram.High, "normal": engram.Normal, "low": engram.Low}
var levels = map[string]engram.Level{"durable": engram.Durable, "visible": engram.Visible, "indexed": engram.Indexed}

// drainTimeout is how long finishing may take after an interrupt.
const drainTimeout = 10 * time.Second

// observe streams pieces into a space and waits until they have come as far as
// asked. The summary is empty when there was no session, and holds what was
// done up to an error otherwise.
func observe(ctx context.Context, v *verb, space string, pieces source.Pieces, f observeFlags) (summary, error) {
	priority, ok := priorities[f.priority]
	level, known := levels[f.ack]
	if !ok || !known {
		return summary{}, usageError("--priority is %q and --ack %q; high, normal or low and durable, visible or indexed are known", f.priority, f.ack)
	}
	before, err := v.client.GetSpace(ctx, space)
	if err != nil && !engram.IsNotFound(err) {
		return summary{}, err
	}
	began := time.Now()
	s, err := v.client.OpenSession(ctx, space, engram.InLane(priority), engram.FlushTo(level))
	if err != nil {
		return summary{}, err
	}
	bar := v.progressOf("observing", -1)
	failed := feed(ctx, s, pieces, f, bar)
	ctx, cancel := finishing(ctx, &failed)
	defer cancel()
	end, failed, err := finish(ctx, s, failed, v.rejections)
	_ = bar.Finish() //nolint:errcheck // only looks
	if err != nil {
		return summary{}, errors.Join(failed, err)
	}
	took := time.Since(began).Seconds()
	after, err := v.client.GetSpace(ctx, space)
	if err != nil {
		return summary{}, errors.Join(failed, err)
	}
	return summary{
		Space: space, Session: s.ID(), Observed: end.FinalSequence, New: min(after.Generation-before.Generation, end.FinalSequence-end.Rejected), Rejected: end.Rejected,
		Generation: after.Generation, Seconds: took, Rate: float64(end.FinalSequence) / took,
	}, failed
}

// finishing is the context for what comes after the last observation was handed
// over. What was taken so far is finished, even when the input turned out bad
// or was interrupted; the latter is what failed then.
func finishing(ctx context.Context, failed *error) (context.Context, context.CancelFunc) {
	if ctx.Err() == nil {
		return context.WithCancel(ctx)
	}
	*failed = ctx.Err()
	return context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
}

// finish ends a session: unless something failed before, what it took comes to
// the level asked for. heard is what becomes of news of rejections.
func finish(ctx context.Context, s *engram.Session, before error, heard func(error) error) (end engram.Closed, failed, err error) {
	if failed = before; failed == nil {
		failed = heard(s.Flush(ctx)) // to the level asked for; Close waits for VISIBLE
	}
	end, err = s.Close(ctx)
	return end, failed, heard(err)
}

// rejections shows some of the observations that were not kept, if that is what
// err is about; it gives any other error back.
func (v *verb) rejections(err error) error {
	var rejected *engram.RejectedError
	if !errors.As(err, &rejected) {
		return err
	}
	for _, r := range rejected.Rejections[:min(5, len(rejected.Rejections))] {
		_, _ = io.WriteString(v.errs, "rejected: "+r.Reason+": "+r.Message+"\n") //nolint:errcheck // nobody is reading
	}
	return nil
}

// feed hands the pieces over, no faster than the rate.
func feed(ctx context.Context, s *engram.Session, pieces source.Pieces, f observeFlags, bar *progressbar.ProgressBar) error {
	began, n := time.Now(), 0
	for p, err := range pieces {
		if err != nil {
			return err
		}
		o, err := observation(p)
		if err != nil {
			return err
		}
		if f.rate > 0 {
			due := began.Add(time.Duration(n) * time.Second / time.Duration(f.rate))
			if wait := time.Until(due); wait > 0 {
				t := time.NewTimer(wait)
				select {
				case <-t.C:
				case <-ctx.Done():
					t.Stop()
					return ctx.Err()
				}
			}
		}
		if _, err := s.Observe(ctx, o); err != nil {
			return err
		}
		n++
		_ = bar.Add(1) //nolint:errcheck // only looks
	}
	return nil
}

// observation makes what is sent of a piece.
func observation(p source.Piece) (engram.Observation, error) {
	if p.Raw != nil {
		o, err := engram.ParseJSON(p.Raw)
		if err != nil {
			return o, usageError("%s:%d: %w", p.Source, p.Line, err)
		}
		o.ID = p.ID
		return o, nil
	}
	meta := map[string]any{"source": p.Source, "line": float64(p.Line)}
	text := p.Text
	if p.Heading != "" {
		meta["heading"] = p.Heading
	}
	// The id is that of the text, wherever in its source it stands: when it has
	// moved, what is told of it changes.
	return engram.Observation{ID: p.ID, Content: text, Vector: p.Vector, Metadata: meta, Replace: true}, nil
}

// progressOf shows on a terminal how many were handled, of a total unless it is
// −1.
func (v *verb) progressOf(what string, total int64) *progressbar.ProgressBar {
	if f, ok := v.errs.(*os.File); !ok || !isatty.IsTerminal(f.Fd()) || v.json {
		return progressbar.DefaultSilent(total)
	}
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(v.errs), progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("obs"),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionSetDescription(what))
}
