package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/engram-stream/engram/service/internal/vfs"
)

// Reader reads a data file as it is, byte for byte, footer included, for a
// backup; the size in bytes comes along. Nothing is verified: [Install] does
// that to what a backup has. The reader is for one goroutine. Whoever wants the
// file to stay there until it is opened holds its catalog.
func (s *Store) Reader(id FileID) (io.ReadSeekCloser, int64, error) {
	s.mu.Lock()
	_, err := s.lookup(id)
	s.mu.Unlock()
	if err != nil {
		return nil, 0, err
	}
	name := s.path(dataName(id))
	f, err := s.fs.OpenRead(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, &DamageError{File: name, Cause: fs.ErrNotExist}
	}
	if err != nil {
		return nil, 0, fmt.Errorf("open checkpoint file: %w", err)
	}
	size, err := f.Size()
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("open checkpoint file: %w", err), f.Close())
	}
	return &rawFile{SectionReader: io.NewSectionReader(f, 0, size), file: f}, size, nil
}

type rawFile struct {
	*io.SectionReader
	file vfs.File
}

func (r *rawFile) Close() error { return r.file.Close() }
