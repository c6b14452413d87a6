package engine

import (
	"errors"

	"github.com/engram-stream/engram/service/internal/checkpoint"
)

// roundFiles are the files of a round: one that all spaces share, and for a
// space with large sections one for each of these, and some for its rows, which
// later checkpoints go on naming.
type roundFiles struct {
	store *checkpoint.Store
	pace  *pacing

	shared, own, rows *checkpoint.Writer
	made              []*checkpoint.Writer // all of them
	written           int64
}

// Small implements [space.Destination].
func (f *roundFiles) Small() (*checkpoint.Writer, error) { return f.open(&f.shared) }

// Large implements [space.Destination]: each section gets a file of its own, so
// that one can be kept without the others.
func (f *roundFiles) Large() (*checkpoint.Writer, error) {
	if err := f.finish(&f.own); err != nil {
		return nil, err
	}
	return f.open(&f.own)
}

// rowsFile is the size from which a file takes no further chunks, in bytes: if
// one of them has to be written anew, all of them have to.
const rowsFile = 64 << 20

// Rows implements [space.Destination].
func (f *roundFiles) Rows() (*checkpoint.Writer, error) {
	if f.rows != nil && f.rows.Size() >= rowsFile {
		if err := f.finish(&f.rows); err != nil {
			return nil, err
		}
	}
	return f.open(&f.rows)
}

// GiveWay implements [space.Destination].
func (f *roundFiles) GiveWay() { f.pace.giveWay() }

func (f *roundFiles) open(w **checkpoint.Writer) (_ *checkpoint.Writer, err error) {
	if *w == nil {
		if *w, err = f.store.Create(f.pace.wait); err != nil {
			return nil, err
		}
		f.made = append(f.made, *w)
	}
	return *w, nil
}

// endSpace finishes what belongs to the space that was written.
func (f *roundFiles) endSpace() error {
	return errors.Join(f.finish(&f.own), f.finish(&f.rows))
}

// end finishes the shared file.
func (f *roundFiles) end() error { return f.finish(&f.shared) }

func (f *roundFiles) finish(w **checkpoint.Writer) error {
	if *w == nil {
		return nil
	}
	if err := (*w).Finish(); err != nil {
		return err
	}
	f.written += int64((*w).Size())
	*w = nil
	return nil
}

// abort ends the files of a round that came to an end with failed, which may be
// nil. What no catalog names is removed at once: rounds that fail again and
// again must not fill the disk. Only when the store itself has ended, and which
// catalog is in force is unknown, finished files stay until the next start.
func (f *roundFiles) abort(failed error) (err error) {
	var over *checkpoint.FailedError
	for _, w := range f.made {
		unfinished := w == f.shared || w == f.own || w == f.rows
		if unfinished || failed != nil && !errors.As(failed, &over) {
			err = errors.Join(err, w.Abort())
		}
	}
	return err
}
