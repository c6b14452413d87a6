package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"

	"github.com/engram-stream/engram/service/internal/vfs"
)

// Scrub reads the kept catalogs and every block of every file they name from
// the file system, not through the mappings, and verifies them. pace, which may
// be nil, is called before each read with the number of bytes and may wait.
// It returns how many blocks it read and the damage it found, each a
// [*DamageError] (a [*VersionError] of a file that this build cannot read); when ctx ends it stops with what it has. The files are held
// meanwhile.
func (s *Store) Scrub(ctx context.Context, pace func(bytes int)) (blocks int, damage []error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return 0, nil
	}
	var ids []FileID
	kept := s.kept()
	for _, c := range kept {
		defer s.hold(c)()
		ids = append(ids, c.Files()...)
	}
	s.mu.Unlock()
	for _, c := range kept {
		if err := s.scrubCatalog(c.Number); err != nil {
			damage = append(damage, err)
		}
	}
	slices.Sort(ids)
	scrub := scrubber{ctx: ctx, fs: s.fs, pace: pace}
	for _, id := range slices.Compact(ids) {
		if ctx.Err() != nil {
			break
		}
		n, found := scrub.file(s.path(dataName(id)), id)
		blocks += n
		damage = append(damage, found...)
	}
	return blocks, damage
}

// scrubCatalog reads a catalog that is kept. One that was replaced meanwhile is
// no damage.
func (s *Store) scrubCatalog(number uint64) error {
	_, _, err := readCatalog(s.fs, s.dir, number)
	if err == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.kept(), func(c *Catalog) bool { return c.Number == number }) {
		return nil
	}
	return verdict(s.path(catalogName(number)), err)
}

// verdict is the error about a file as a report has it.
func verdict(name string, err error) error {
	var newer *VersionError
	if errors.As(err, &newer) {
		return newer
	}
	return asDamage(name, err)
}

// asDamage makes a DamageError of any error about a file.
func asDamage(name string, err error) error {
	var broken *DamageError
	if errors.As(err, &broken) {
		return broken
	}
	return &DamageError{File: name, Cause: err}
}

// scrubber verifies data files one after another. It belongs to one goroutine.
type scrubber struct {
	ctx  context.Context
	fs   vfs.FS
	pace func(bytes int) // may be nil
	buf  []byte          // of the largest block so far
}

// file verifies every block of one file.
func (s *scrubber) file(name string, id FileID) (blocks int, found []error) {
	f, err := s.fs.OpenRead(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fs.ErrNotExist
		}
		return 0, []error{&DamageError{File: name, Cause: err}}
	}
	size, err := f.Size()
	if err == nil {
		blocks, found = s.blocks(f, name, id, size)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		found = append(found, asDamage(name, err))
	}
	return blocks, found
}

func (s *scrubber) blocks(r io.ReaderAt, name string, id FileID, size int64) (blocks int, found []error) {
	foot, err := readFooter(r, name, id, size)
	if err != nil {
		return 0, []error{verdict(name, err)}
	}
	for n := range foot.sums {
		if s.ctx.Err() != nil {
			return blocks, found
		}
		from, to := foot.block(n)
		block := s.room(int(to - from))
		if s.pace != nil {
			s.pace(len(block))
		}
		blocks++
		err := readFull(r, name, block, int64(from))
		if err == nil {
			err = foot.check(name, n, block)
		}
		if err != nil {
			found = append(found, err)
		}
	}
	if len(found) > 0 {
		return blocks, found
	}
	// The header is in the first block and nothing is read by it. That it is
	// what the format says is for whoever finds the file without its name.
	head := s.room(headerSize)
	if err := readFull(r, name, head, 0); err != nil {
		return blocks, []error{err}
	}
	if !bytes.Equal(head, appendHeader(nil, id)) {
		found = append(found, damage(name, 0, "the header is %x", head))
	}
	return blocks, found
}

// room gives the first size bytes of the buffer.
func (s *scrubber) room(size int) []byte {
	if len(s.buf) < size {
		s.buf = make([]byte, size)
	}
	return s.buf[:size]
}
