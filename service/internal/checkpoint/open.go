package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"weak"

	"github.com/engram-stream/engram/service/internal/clock"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// Open takes a directory, which it makes if needed, and finds the catalog in
// force: the newest that is whole, files included. When that is not the newest
// there is, or files are missing or shorter than they were, [Store.Damage]
// says so. When there are catalogs and none can be read, the error is a
// [*DamageError]; a format of the future gives a [*VersionError], and a
// directory in use [vfs.ErrLocked].
//
// A directory that an [Install] has not finished is refused too.
//
// Temporaries, and files that no kept catalog names, are removed. With damage
// the latter stay until the next [Store.Commit], for whoever wants to look.
func Open(o Options) (*Store, error) {
	if o.FS == nil {
		o.FS = vfs.OS()
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if err := o.FS.MkdirAll(o.Dir); err != nil {
		return nil, fmt.Errorf("make checkpoint directory: %w", err)
	}
	lock, err := o.FS.Lock(path.Join(o.Dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("lock checkpoints: %w", err)
	}
	s := &Store{
		fs: o.FS, dir: o.Dir, clock: o.Clock, lock: lock,
		files: map[FileID]*dataFile{}, catalogs: map[uint64]bool{}, mapped: map[FileID]weak.Pointer[File]{},
	}
	if err := s.recover(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

// recover is Open with the lock. Nobody else has s yet, so it takes no mu.
func (s *Store) recover() error {
	// What is read below, and perhaps built upon, has to survive a power cut,
	// also when the process that wrote it was killed before its last sync.
	if err := s.fs.SyncDir(s.dir); err != nil {
		return fmt.Errorf("sync checkpoint directory: %w", err)
	}
	d, err := readDir(s.fs, s.dir)
	if err != nil {
		return err
	}
	s.number, s.nextFile = d.number, d.nextFile
	for _, n := range d.catalogs {
		s.catalogs[n] = true
	}
	read, damaged, err := d.readCatalogs()
	if err != nil {
		return err
	}
	s.found = damaged
	if len(read) == 0 {
		if len(damaged) > 0 {
			return fmt.Errorf("open checkpoints: no catalog can be read: %w", errors.Join(damaged...))
		}
		if d.installing {
			return fmt.Errorf("open checkpoints: %s is there and no catalog: an installation was not finished; install again", path.Join(s.dir, installName))
		}
	}
	s.choose(d, read)
	for id, size := range d.files {
		s.files[id] = &dataFile{size: uint64(max(size, 1))}
	}
	for _, c := range read {
		for id, size := range c.Sizes {
			if f := s.files[id]; f != nil && f.size != size {
				f.broken = true
			}
		}
	}
	return s.tidy(d)
}

// choose puts a catalog in force: the newest that has all its files, or, when
// there is none, the newest, of which some spaces can still be read.
func (s *Store) choose(d *directory, read []*Catalog) {
	best := 0
	for n, c := range read {
		missing := d.missing(c)
		for _, err := range missing {
			if !slices.ContainsFunc(s.found, func(e error) bool { return sameFile(e, err) }) {
				s.found = append(s.found, err) // the catalogs share files
			}
		}
		if len(missing) == 0 {
			best = n
			break
		}
	}
	if best < len(read) {
		s.latest = read[best]
	}
	if best+1 < len(read) {
		s.previous = read[best+1]
	}
	for _, c := range read {
		s.nextFile = max(s.nextFile, c.NextFile)
	}
}

// tidy removes what a former process left.
func (s *Store) tidy(d *directory) error {
	remove := d.temporaries
	if d.installing {
		remove = append(remove, installName)
	}
	for _, name := range remove {
		if err := s.fs.Remove(s.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what is left of a checkpoint: %w", err)
		}
	}
	if len(s.found) == 0 {
		if err := s.sweep(true); err != nil {
			return err
		}
	}
	return nil
}
