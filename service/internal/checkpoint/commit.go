package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/engram-stream/engram/service/internal/vfs"
)

// Commit puts a catalog in force and returns it as it stands there: a copy of c
// with its number, time, next file and sizes. Every file it names has to be
// finished, there and whole as far as [Open] could tell, or be named by a kept
// catalog already: else the error is a [*CatalogError]. When Commit returns, the catalog is on stable storage;
// after an error the former one stays in force.
//
// The catalog in force before is kept as the previous one. Files that neither
// of the two names and nobody holds are removed, also those that were finished
// before this Commit began and are not in it. A removal that fails is tried
// again by the next Commit.
//
// One Commit works at a time; others wait for it.
func (s *Store) Commit(c Catalog) (*Catalog, error) {
	s.committing.Lock()
	defer s.committing.Unlock()
	next, err := s.prepare(&c)
	if err != nil {
		return nil, err
	}
	defer s.unhold(next)
	content, err := next.encode()
	if err != nil {
		return nil, err
	}
	// The names of the data files first: the catalog must not outlive one.
	if err := s.syncDir(); err != nil {
		return nil, err
	}
	// Known before it is there: should a rename fail and have happened, a later
	// sweep still removes it.
	s.mu.Lock()
	s.catalogs[next.Number] = true
	s.mu.Unlock()
	if err := replaceWith(s.fs, s.path(catalogName(next.Number)), content); err != nil {
		return nil, fmt.Errorf("write catalog: %w", err)
	}
	// From here on a power cut may leave either one in force. When this sync
	// fails the store has ended, and the files of both stay where they are.
	if err := s.syncDir(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.previous, s.latest = s.latest, next
	for _, f := range s.files {
		if f.round < s.round {
			f.fresh = false
		}
	}
	s.mu.Unlock()
	// The catalog is in force whatever happens to the garbage.
	_ = s.sweep(true)
	return next, nil
}

// prepare checks c and gives the catalog to write, whose files are held.
func (s *Store) prepare(c *Catalog) (*Catalog, error) {
	next := c.clone()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return nil, err
	}
	next.Sizes = map[FileID]uint64{}
	for _, id := range next.Files() {
		size, err := s.nameable(id)
		if err != nil {
			return nil, err
		}
		next.Sizes[id] = size
	}
	// Whoever else holds one of its files may release it meanwhile.
	for id := range next.Sizes {
		if f := s.files[id]; f != nil {
			f.holds++
		}
	}
	// A number is used once, also when its Commit fails: what is left of it
	// can then not be taken for another.
	s.number++
	s.round++
	next.Number = s.number
	next.Created = s.clock.Now().UTC().Round(0)
	next.NextFile = s.nextFile
	return next, nil
}

// nameable gives the size with which a catalog may name a file. A file that is
// not whole goes on being named, with the size it had, by who names it already:
// one damaged space must not keep all others from their checkpoints, and the
// damage stays in the report of every Open. Needs mu.
func (s *Store) nameable(id FileID) (size uint64, err error) {
	f := s.files[id]
	if f != nil && f.finished() && !f.broken {
		return f.size, nil
	}
	for _, c := range s.kept() {
		if size, ok := c.Sizes[id]; ok {
			return size, nil
		}
	}
	what := "which is not a finished file"
	if f != nil && f.broken {
		what = "which is damaged"
	}
	return 0, &CatalogError{"files", fmt.Sprintf("has %016x, %s", uint64(id), what)}
}

// unhold ends what prepare began. Needs no mu.
func (s *Store) unhold(c *Catalog) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range c.Sizes {
		if f := s.files[id]; f != nil {
			f.holds--
		}
	}
}

// replaceWith writes a file under a temporary name, syncs it and gives it its
// name. What is left of a failure is removed.
func replaceWith(fsys vfs.FS, name string, content []byte) error {
	temp := name + tempSuffix
	err := writeFile(fsys, temp, content)
	if err == nil {
		err = fsys.Rename(temp, name)
	}
	if err != nil {
		if gone := fsys.Remove(temp); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

func writeFile(fsys vfs.FS, name string, content []byte) error {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(content, 0); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// sweep removes the files that nobody needs and, when asked to, the catalogs
// that are not kept: only who is committing may ask, for the catalog of a
// Commit that is under way is not kept yet. What it cannot remove stays known,
// for the next sweep.
func (s *Store) sweep(catalogs bool) error {
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	names := s.takeGarbage(catalogs)
	if len(names) == 0 {
		return nil
	}
	var failed []error
	for name, putBack := range names {
		if err := s.fs.Remove(s.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, fmt.Errorf("remove old checkpoint file: %w", err))
			s.mu.Lock()
			putBack()
			s.mu.Unlock()
		}
	}
	if err := s.syncDir(); err != nil {
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// takeGarbage gives the names of what can go, each with a function that makes
// the store remember it (called with mu held), and forgets them.
func (s *Store) takeGarbage(catalogs bool) map[string]func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.usable() != nil {
		return nil
	}
	garbage := map[string]func(){}
	named := map[FileID]bool{}
	for _, c := range s.kept() {
		for _, id := range c.Files() {
			named[id] = true
		}
	}
	for id, f := range s.files {
		if f.finished() && !f.fresh && f.holds == 0 && !named[id] {
			delete(s.files, id)
			delete(s.mapped, id)
			garbage[dataName(id)] = func() { s.files[id] = f }
		}
	}
	for id, p := range s.mapped {
		if p.Value() == nil {
			delete(s.mapped, id)
		}
	}
	for number := range s.catalogs {
		if catalogs && !slices.ContainsFunc(s.kept(), func(c *Catalog) bool { return c.Number == number }) {
			delete(s.catalogs, number)
			garbage[catalogName(number)] = func() { s.catalogs[number] = true }
		}
	}
	return garbage
}
