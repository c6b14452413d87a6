package doctor

import (
	"fmt"

	"github.com/engram-stream/engram/service/internal/journal"
)

// journal verifies the log, and that it goes with the checkpoints.
func (x *examination) journal(there bool) error {
	if !there {
		x.noJournal()
		return nil
	}
	in, err := journal.Inspect(x.fs, x.journalDir, func(at journal.Position, f *journal.Frame) error {
		x.spaces.frame(at, f)
		return nil
	})
	if err != nil {
		return err
	}
	x.Journal = &Journal{
		ID: fmt.Sprintf("%016x", in.ID), Segments: in.Segments, Bytes: in.Bytes, First: uint64(in.First), End: uint64(in.End), Frames: in.Frames, Clean: in.Clean,
	}
	for _, d := range in.Damage {
		x.broken(d)
	}
	for _, u := range in.Unfinished {
		x.find(Finding{
			File: u.File, Offset: u.Offset, What: u.Why,
			Lost: "nothing: no client was told that it is kept", Do: "nothing: the next start removes it",
		})
	}
	if in.Segments > 0 {
		x.together(in)
	} else {
		x.noJournal()
	}
	for _, gap := range x.spaces.gaps {
		x.find(Finding{Damage: true, File: x.journalDir, What: gap.what, Lost: gap.lost, Do: adviceRestore})
	}
	if n := x.spaces.missed; n > 0 {
		x.find(Finding{Damage: true, File: x.journalDir, What: fmt.Sprintf("there are %d gaps more", n)})
	}
	return nil
}

func (x *examination) noJournal() {
	if x.inForce == nil {
		return
	}
	x.find(Finding{
		Damage: true, File: x.journalDir, What: "there are checkpoints but no journal",
		Lost: fmt.Sprintf("everything that was kept behind journal position %d", x.inForce.Position), Do: adviceRestore,
	})
}

// broken says what damage to the journal means.
func (x *examination) broken(d journal.Damage) {
	f := Finding{Damage: true, File: d.File, Offset: d.Offset, What: d.Why, Do: adviceRestore}
	switch {
	case x.inForce != nil && uint64(d.Until) <= x.needed():
		f.Lost = fmt.Sprintf("nothing: it lies before journal position %d, and the checkpoints have what was there", x.needed())
		f.Do = "nothing: one of the next checkpoints removes it; but see to the disk"
	case d.Until > d.From:
		f.Lost = fmt.Sprintf("what was kept in the %d bytes of the journal from position %d on", d.Until-d.From, d.From)
	default:
		f.Lost = "nothing that was written is missing, but a server does not start with it"
	}
	x.find(f)
}

// needed is the position from which on a start may need the journal.
func (x *examination) needed() uint64 {
	from := x.inForce.Position
	if c := x.fallback(); c != nil {
		from = min(from, c.Position)
	}
	return from
}

// together checks that journal and checkpoints belong to one another.
func (x *examination) together(in *journal.Inspection) {
	if x.inForce == nil {
		if in.First > 0 {
			x.find(Finding{
				Damage: true, File: x.journalDir, What: fmt.Sprintf("the journal begins at position %d, and there is no checkpoint with what came before", in.First),
				Lost: "everything that was kept before that position", Do: adviceRestore,
			})
		}
		return
	}
	c := x.inForce
	if back := x.fallback(); back != nil && back.Position < uint64(in.First) && c.Position >= uint64(in.First) {
		x.find(Finding{
			Damage: true, File: x.journalDir, What: fmt.Sprintf("the checkpoint before the last, %d, ends at position %d, and the journal begins at %d", back.Number, back.Position, in.First),
			Lost: "nothing now; but a start could not go back to that checkpoint", Do: "write a new checkpoint ('engram checkpoint')",
		})
	}
	switch {
	case in.ID != 0 && c.Journal != in.ID:
		x.find(Finding{
			Damage: true, File: x.checkpointDir, What: fmt.Sprintf("the checkpoints belong to journal %016x, and the journal is %016x", c.Journal, in.ID),
			Lost: "nothing, if the other half is somewhere", Do: "bring together the folders that belong together, or restore a backup into a new directory",
		})
	case c.Position < uint64(in.First):
		x.find(Finding{
			Damage: true, File: x.journalDir, What: fmt.Sprintf("checkpoint %d ends at position %d, and the journal begins at %d", c.Number, c.Position, in.First),
			Lost: fmt.Sprintf("what was kept in the %d bytes between", uint64(in.First)-c.Position), Do: adviceRestore,
		})
	case c.Position > uint64(in.End) && len(in.Damage) == 0:
		x.find(Finding{
			Damage: true, File: x.journalDir, What: fmt.Sprintf("checkpoint %d ends at position %d, and the journal already at %d", c.Number, c.Position, in.End),
			Lost: fmt.Sprintf("what was kept behind position %d", c.Position), Do: adviceRestore,
		})
	}
}
