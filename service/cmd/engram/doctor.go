package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/engram-stream/engram/service/internal/doctor"
	"github.com/engram-stream/engram/service/internal/vfs"
)

func doctorCommand() *cobra.Command {
	var dir string
	var asJSON bool
	c := &cobra.Command{
		Use: "doctor --data-dir DIR", Short: "Verify a data directory, or a backup, and say what is wrong", Args: cobra.NoArgs,
		Long: `Reads everything in a data directory, or in a backup, and verifies every checksum
of the journal and of the checkpoints, that what they name is there, and that
positions and generations follow one another without a gap. It says what it
finds, what is lost if anything, and what to do. It changes nothing and takes no
lock; for a verdict to be trusted, no server may be using the directory.

Exit codes: 0 everything is sound, 1 there is damage, 2 it cannot be looked at.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if dir == "" {
				return usageError("--data-dir is missing: which directory?")
			}
			r, err := doctor.Examine(vfs.OS(), filepath.ToSlash(dir))
			if err != nil {
				return usageError("cannot look at %s: %w", dir, err)
			}
			d := diagnosis{Report: r, HeldBy: holder(dir)}
			if asJSON {
				err = json.NewEncoder(c.OutOrStdout()).Encode(d)
			} else {
				err = d.print(c.OutOrStdout())
			}
			if err == nil && !r.Sound {
				err = fmt.Errorf("%s is damaged", dir)
			}
			return err
		},
	}
	c.Flags().StringVar(&dir, "data-dir", "", "the data directory of a server, or a backup")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, for scripts")
	return c
}

// diagnosis is a report, and who uses the directory meanwhile.
type diagnosis struct {
	*doctor.Report
	// HeldBy is the id of the process that has the directory open; 0 when
	// there is none that can be seen.
	HeldBy int `json:"held_by_process,omitempty"`
}

// holder finds the process that has a data directory open.
func holder(dir string) int {
	for _, part := range []string{doctor.JournalDir, doctor.CheckpointDir} {
		if pid := lockedBy(filepath.Join(dir, part, "LOCK")); pid != 0 {
			return pid
		}
	}
	return 0
}

func (d diagnosis) print(out io.Writer) error {
	w := &teller{w: out}
	w.say("%s is a %s.", d.Dir, d.Kind)
	if d.HeldBy != 0 {
		w.say("Process %d has it open: what it is writing at the moment may look unfinished or damaged. Stop it to be sure.", d.HeldBy)
	}
	for _, c := range d.Catalogs {
		state := "whole"
		if !c.Whole {
			state = "NOT whole"
		}
		if c.InForce {
			state += ", and the one a start reads"
		}
		w.say("Checkpoint %d has %d spaces up to journal position %d; it is %s.", c.Number, c.Spaces, c.Position, state)
	}
	if len(d.Catalogs) > 0 {
		w.say("%d checkpoint files were verified, %.1f MB.", d.Files, float64(d.Bytes)/1e6)
	} else {
		w.say("There is no checkpoint.")
	}
	if j := d.Journal; j != nil {
		end := "it was not closed in order, as after a crash"
		if j.Clean {
			end = "it was closed in order"
		} else if j.Frames == 0 {
			end = "nothing was written to it yet"
		}
		w.say("The journal has %d frames in %d segments, from position %d to %d; %s.", j.Frames, j.Segments, j.First, j.End, end)
	}
	for _, s := range d.Spaces {
		w.say("  space %s: generation %d", s.Name, s.Generation)
	}
	damaged := 0
	for _, f := range d.Findings {
		kind := "NOTE"
		if f.Damage {
			kind = "DAMAGE"
			damaged++
		}
		w.say("")
		if f.File == "" {
			w.say("%s: %s", kind, f.What)
		} else {
			w.say("%s in %s at byte %d: %s", kind, f.File, f.Offset, f.What)
		}
		if f.Lost != "" {
			w.say("  lost: %s", f.Lost)
		}
		if f.Do != "" {
			w.say("  do:   %s", f.Do)
		}
	}
	if damaged == 0 {
		w.say("Everything is sound.")
	} else {
		w.say("\n%d places are damaged.", damaged)
	}
	return w.err
}

// teller writes lines and remembers the first error.
type teller struct {
	w   io.Writer
	err error
}

func (t *teller) say(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format+"\n", args...)
	}
}
