package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/engram-stream/engram/service/internal/vfs"
)

// Scrub reads the kept catalogs and every block of every file they name from
// the file system, not through the mappings, and verifies them. pace, which may
// be nil, is called before each read with the number of bytes and may wait.
// It returns how many blocks it read and the damage it found, each a
// [*DamageError]; when ctx ends it stops with what it has. The files are held
// meanwhile.
func (s *Store) Scrub(ctx context.Context, pace func(bytes int)) (blocks int, damage []error) {
	if pace == nil {
		pace = func(int) {}
	}
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
	buf := make([]byte, BlockSize)
	for _, id := range slices.Compact(ids) {
		if ctx.Err() != nil {
			break
		}
		n, found := scrubFile(ctx, s.fs, s.path(dataName(id)), id, buf, pace)
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
	return asDamage(s.path(catalogName(number)), err)
}

// asDamage makes a DamageError of any error about a file.
func asDamage(name string, err error) error {
	var broken *DamageError
	if errors.As(err, &broken) {
		return broken
	}
	return &DamageError{File: name, Cause: err}
}

// scrubFile verifies every block of one file. buf has the size of a block.
func scrubFile(ctx context.Context, fsys vfs.FS, name string, id FileID, buf []byte, pace func(int)) (blocks int, found []error) {
	f, err := fsys.OpenRead(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fs.ErrNotExist
		}
		return 0, []error{&DamageError{File: name, Cause: err}}
	}
	size, err := f.Size()
	if err == nil {
		blocks, found = scrubBlocks(ctx, f, name, id, size, buf, pace)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		found = append(found, asDamage(name, err))
	}
	return blocks, found
}

func scrubBlocks(ctx context.Context, r io.ReaderAt, name string, id FileID, size int64, buf []byte, pace func(int)) (blocks int, found []error) {
	foot, err := readFooter(r, name, id, size)
	if err != nil {
		return 0, []error{asDamage(name, err)}
	}
	for n := range foot.sums {
		if ctx.Err() != nil {
			return blocks, found
		}
		from, to := foot.block(n)
		block := buf[:to-from]
		pace(len(block))
		blocks++
		err := readFull(r, name, block, int64(from))
		if err == nil {
			err = foot.check(name, n, block)
		}
		if err != nil {
			found = append(found, err)
		}
	}
	// The header is in the first block, and says nothing that is needed; that
	// it is what the format says is looked at for whoever reads it elsewhere.
	if len(found) == 0 {
		head := buf[:headerSize]
		if err := readFull(r, name, head, 0); err != nil {
			return blocks, []error{err}
		}
		if want := appendHeader(nil, id); string(head) != string(want) {
			found = append(found, &DamageError{File: name, Cause: fmt.Errorf("the header is %x, not %x", head, want)})
		}
	}
	return blocks, found
}
