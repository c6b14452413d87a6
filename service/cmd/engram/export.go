package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	engram "github.com/engram-stream/engram/sdk/go"
	"github.com/engram-stream/engram/service/cmd/engram/internal/jsonl"
)

// exportFlags are the settings of the export verb.
type exportFlags struct {
	out     string
	vectors string
	at      uint64
}

var vectorForms = map[string]jsonl.Vectors{"packed": jsonl.Packed, "list": jsonl.List, "none": jsonl.None}

func exportCommand() *cobra.Command {
	var f exportFlags
	c := &cobra.Command{
		Use: "export SPACE", Short: "Write a space as JSON lines", Args: cobra.ExactArgs(1),
		Long: `Writes everything a space holds at one generation as JSON lines: first the
settings of the space, then an observation a line with all its fields, at last
the count. 'engram import' reads it, into this server or another. The space may
be written to meanwhile; what comes later is not in the export.

An export that takes longer than the space's history window cannot be finished.`,
		Example: "  engram export notes --out notes.jsonl\n  engram export notes | gzip > notes.jsonl.gz",
	}
	c.Flags().StringVarP(&f.out, "out", "o", "", "write into this file, which appears when it is whole; without it, to standard output")
	c.Flags().StringVar(&f.vectors, "vectors", "packed", "packed (base64 of little-endian float32), list (numbers) or none (an import embeds the texts again)")
	c.Flags().Uint64Var(&f.at, "at", 0, "the generation to write; 0 is the newest")
	return clientVerb(c, func(ctx context.Context, v *verb, args []string) error {
		form, ok := vectorForms[f.vectors]
		if !ok {
			return usageError("--vectors is %q; packed, list and none are known", f.vectors)
		}
		e := exporter{client: v.client, space: args[0], form: form, at: f.at}
		var err error
		if f.out == "" {
			err = e.run(ctx, v, v.out)
		} else {
			err = intoFile(f.out, func(w io.Writer) error { return e.run(ctx, v, w) })
		}
		if err != nil {
			return err
		}
		// Standard output may be the export itself.
		if f.out != "" && v.json {
			return v.printJSON(map[string]any{"space": e.space, "generation": e.generation, "observations": e.written, "file": f.out})
		}
		_, err = fmt.Fprintf(v.errs, "exported %d observations of %s at generation %d\n", e.written, e.space, e.generation)
		return err
	})
}

// intoFile makes a file that is there, and on stable storage, only once all of
// it was written.
func intoFile(name string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// writeJSON writes one line of JSON.
func writeJSON(w io.Writer, x any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(x)
}

// exporter writes one space.
type exporter struct {
	client *engram.Client
	space  string
	form   jsonl.Vectors
	at     uint64 // the generation asked for; 0 is the newest

	generation uint64
	written    uint64
}

// run writes the lines, a page at a time.
func (e *exporter) run(ctx context.Context, v *verb, w io.Writer) error {
	space, err := e.client.GetSpace(ctx, e.space)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<20)
	bar := v.progressOf("exporting", int64(space.Observations))
	defer bar.Finish() //nolint:errcheck // only looks
	begun := false
	for page, err := range e.client.Pages(ctx, e.space, e.at) {
		if err != nil {
			return err
		}
		if !begun {
			begun, e.generation = true, page.Generation
			h := jsonl.Header{
				Version: jsonl.Version, Space: e.space, Generation: page.Generation, ExportedAt: time.Now().UTC().Truncate(time.Second),
				Settings: jsonl.SettingsOf(space),
			}
			if err := writeJSON(out, h); err != nil {
				return err
			}
		}
		if err := e.page(out, page, bar); err != nil {
			return err
		}
	}
	if err := writeJSON(out, jsonl.End{Observations: e.written}); err != nil {
		return err
	}
	return out.Flush()
}

func (e *exporter) page(out *bufio.Writer, page engram.Page, bar *progressbar.ProgressBar) error {
	for _, s := range page.Observations {
		line, err := jsonl.Append(out.AvailableBuffer(), s, e.form)
		if err != nil {
			return fmt.Errorf("write observation %q: %w", s.ID, err)
		}
		if _, err := out.Write(line); err != nil {
			return err
		}
		e.written++
	}
	_ = bar.Add(len(page.Observations)) //nolint:errcheck // only looks
	return nil
}
