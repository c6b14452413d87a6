package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"sync/atomic"
	"weak"

	"github.com/engram-stream/engram/service/internal/vfs"
)

// File is a data file, mapped for reading. All who ask for one file share it.
// Safe for concurrent use.
//
// Its memory goes when the collector finds that nobody has the File: slices of
// it do not count. Who keeps a slice keeps the File too, and calls
// [runtime.KeepAlive] on it after the last use.
type File struct {
	name  string
	foot  *footer
	bytes []byte // the data, of the mapping
	fs    vfs.FS
	sound []atomic.Bool // by block: it was found whole
}

// File gives the data file of this id, which is mapped if it is not yet. A
// file that a kept catalog names and that is not there, or whose footer is not
// whole, is a [*DamageError].
func (s *Store) File(id FileID) (*File, error) {
	s.mu.Lock()
	f, err := s.lookup(id)
	s.mu.Unlock()
	if f != nil || err != nil {
		return f, err
	}
	f, mapping, err := s.load(id)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	other, err := s.lookup(id)
	if other != nil || err != nil {
		return other, errors.Join(err, mapping.Close()) // somebody was faster
	}
	runtime.AddCleanup(f, unmap, mapping)
	s.mapped[id] = weak.Make(f)
	return f, nil
}

// unmap is the cleanup of mappings. That a range which was mapped cannot be
// unmapped does not happen, and nobody is there to be told.
func unmap(m vfs.Mapping) { _ = m.Close() }

// lookup gives the mapped file, or neither file nor error when it is there and
// not mapped. Needs mu.
func (s *Store) lookup(id FileID) (*File, error) {
	if s.closed {
		return nil, ErrClosed
	}
	if f := s.mapped[id].Value(); f != nil {
		return f, nil
	}
	if f := s.files[id]; f != nil && f.finished() {
		return nil, nil
	}
	name := s.path(dataName(id))
	for _, c := range s.kept() {
		if slices.Contains(c.Files(), id) {
			return nil, &DamageError{File: name, Cause: fs.ErrNotExist}
		}
	}
	return nil, fmt.Errorf("open checkpoint file %s: %w", name, errNotThere)
}

// load reads the footer and maps the data.
func (s *Store) load(id FileID) (*File, vfs.Mapping, error) {
	name := s.path(dataName(id))
	foot, err := loadFooter(s.fs, name, id)
	if err != nil {
		return nil, nil, err
	}
	mapping, err := s.fs.Map(name, 0, int64(foot.data), false)
	if err != nil {
		return nil, nil, fmt.Errorf("map checkpoint file: %w", err)
	}
	return newFile(name, foot, s.fs, mapping.Bytes()), mapping, nil
}

func newFile(name string, foot *footer, fsys vfs.FS, data []byte) *File {
	return &File{name: name, foot: foot, fs: fsys, bytes: data, sound: make([]atomic.Bool, len(foot.sums))}
}

func loadFooter(fsys vfs.FS, name string, id FileID) (_ *footer, err error) {
	f, err := fsys.OpenRead(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &DamageError{File: name, Cause: fs.ErrNotExist}
	}
	if err != nil {
		return nil, fmt.Errorf("open checkpoint file: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return nil, fmt.Errorf("open checkpoint file: %w", err)
	}
	return readFooter(f, name, id, size)
}

// ID is the file's id.
func (f *File) ID() FileID { return f.foot.id }

// Size is how many bytes of data the file has, header and padding included.
func (f *File) Size() uint64 { return f.foot.data }

// Section gives a section's bytes, for reading only: writing to them is a
// fault of the process. Every block they lie in is verified before, if it was
// not yet. They are valid as long as the File is reachable.
func (f *File) Section(r Ref) ([]byte, error) {
	if err := f.verifySection(r); err != nil {
		return nil, err
	}
	return f.bytes[r.Offset : r.Offset+r.Length : r.Offset+r.Length], nil
}

// within fails for a section that does not lie in the file.
func (f *File) within(r Ref) error {
	if r.File != f.foot.id || !r.within(f.foot.data) {
		return damage(f.name, int64(min(r.Offset, f.foot.data)), "a %v was asked for; the file is %016x and has %d bytes of data", r, uint64(f.foot.id), f.foot.data)
	}
	return nil
}

func (f *File) verifySection(r Ref) error {
	if err := f.within(r); err != nil || r.Length == 0 {
		return err
	}
	return f.verify(int(r.Offset/BlockSize), int((r.Offset+r.Length-1)/BlockSize)+1)
}

// Private is a section in memory of its own: writing to it changes neither the
// file nor what others see of it.
type Private struct {
	bytes []byte
}

// Private maps a section again, copy on write, after it was verified. It costs
// memory for the pages that are written to. The file has to be there under its
// name still.
func (f *File) Private(r Ref) (*Private, error) {
	if err := f.verifySection(r); err != nil {
		return nil, err
	}
	mapping, err := f.fs.Map(f.name, int64(r.Offset), int64(r.Length), true)
	runtime.KeepAlive(f)
	if err != nil {
		return nil, fmt.Errorf("map section: %w", err)
	}
	p := &Private{bytes: mapping.Bytes()}
	runtime.AddCleanup(p, unmap, mapping)
	return p, nil
}

// Bytes is the section. It is valid as long as p is reachable.
func (p *Private) Bytes() []byte { return p.bytes }
