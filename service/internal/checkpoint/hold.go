package checkpoint

import "sync"

// Hold keeps the files of a catalog until release is called, also when no kept
// catalog names them any more: for a backup, or a long read. A catalog from
// [Store.Latest] has its files at least until the second Commit after it; to be
// sure of them whatever the others do, use [Store.HoldLatest]. release can be
// called more than once and removes what then nobody needs.
func (s *Store) Hold(c *Catalog) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hold(c)
}

// HoldLatest is Latest and Hold in one step, between which no Commit comes. The
// catalog is nil when there is none.
func (s *Store) HoldLatest() (c *Catalog, release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest == nil {
		return nil, func() {}
	}
	return s.latest, s.hold(s.latest)
}

// hold is Hold. Needs mu.
func (s *Store) hold(c *Catalog) func() {
	var held []*dataFile
	for _, id := range c.Files() {
		if f := s.files[id]; f != nil {
			f.holds++
			held = append(held, f)
		}
	}
	return sync.OnceFunc(func() {
		s.mu.Lock()
		for _, f := range held {
			f.holds--
		}
		s.mu.Unlock()
		// A failed removal is tried again by the next Commit.
		_ = s.sweep(false)
	})
}
