package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"weak"

	"github.com/engram-stream/engram/service/internal/clock"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// Options say where a store is.
type Options struct {
	FS    vfs.FS // default: the machine's
	Dir   string // made if it is not there
	Clock clock.Clock
}

// Store is a directory of data files and catalogs. It is safe for concurrent
// use, but for what [Writer] says of itself. It has no goroutines of its own.
//
// Locks are taken in the order committing, sweeping, mu. mu guards the fields
// below it and is not held while a file is read, written or removed.
type Store struct {
	fs    vfs.FS
	dir   string
	clock clock.Clock
	lock  io.Closer
	found []error // what Open worked around; fixed from then on

	committing sync.Mutex // one Commit at a time
	sweeping   sync.Mutex // one removal of files at a time

	mu       sync.Mutex
	closed   bool
	failed   error // the sync that ended the store
	number   uint64
	nextFile FileID
	round    uint64 // counts Commits begun
	latest   *Catalog
	previous *Catalog
	files    map[FileID]*dataFile
	catalogs map[uint64]bool // numbers of the catalog files there are
	mapped   map[FileID]weak.Pointer[File]
}

// dataFile is what the store knows of a data file. Guarded by Store.mu.
type dataFile struct {
	size  uint64 // bytes; 0 while it is being written
	holds int    // of Hold
	// A file is fresh from Finish until a Commit that began later succeeds:
	// until then it is not removed although no catalog names it.
	fresh bool
	round uint64 // Commits begun when it was finished
	// The size is not what a catalog says. See nameable.
	broken bool
}

func (f *dataFile) finished() bool { return f.size > 0 }

// Latest is the catalog in force, nil when there is none.
func (s *Store) Latest() *Catalog {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest
}

// Previous is the catalog kept beside the latest, nil when there is none.
func (s *Store) Previous() *Catalog {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.previous
}

// Damage is what [Open] found and worked around; each is a [*DamageError].
func (s *Store) Damage() []error { return slices.Clone(s.found) }

// Close gives the directory back. Files and private mappings that are in use
// stay valid; writers should have been finished or aborted before.
func (s *Store) Close() error {
	// Whoever commits or removes files has to be through before another
	// process may take the directory.
	s.committing.Lock()
	defer s.committing.Unlock()
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.closed = true
	if err := s.lock.Close(); err != nil {
		return fmt.Errorf("unlock checkpoints: %w", err)
	}
	return nil
}

// usable is the error of calls that change the directory. Needs mu.
func (s *Store) usable() error {
	if s.closed {
		return ErrClosed
	}
	if s.failed != nil {
		return &FailedError{Cause: s.failed}
	}
	return nil
}

// syncDir syncs the directory. The first failure ends the store: a sync that
// succeeds later would prove nothing about the names made before it.
func (s *Store) syncDir() error {
	err := s.fs.SyncDir(s.dir)
	if err == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = err
	}
	return &FailedError{Cause: s.failed}
}

// errNotThere is what asking for an unknown file gives, within another error.
var errNotThere = errors.New("no such data file")

// kept gives the catalogs that are kept, the latest first. Needs mu.
func (s *Store) kept() []*Catalog {
	var cs []*Catalog
	for _, c := range []*Catalog{s.latest, s.previous} {
		if c != nil {
			cs = append(cs, c)
		}
	}
	return cs
}
