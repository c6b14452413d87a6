package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/engram-stream/engram/service/internal/vfs"
)

// Install makes a directory that has one catalog, c, and its data files, whose
// bytes it gets from open as [Store.Reader] gives them. Each file is verified,
// every block, as it stands in the directory, before the catalog is written;
// bytes that are not a whole data file are a [*DamageError], and sizes that
// differ from those in the catalog are too. The catalog keeps its number and
// its times.
//
// The directory is made if it is not there, and has to be empty or left by an
// Install that was not finished, which [Open] refuses. After an error the
// directory is good for another Install only.
func Install(fsys vfs.FS, dir string, c Catalog, open func(FileID) (io.ReadCloser, error)) (err error) {
	content, err := c.encode()
	if err != nil {
		return err
	}
	if err := fsys.MkdirAll(dir); err != nil {
		return fmt.Errorf("make checkpoint directory: %w", err)
	}
	lock, err := fsys.Lock(path.Join(dir, lockName))
	if err != nil {
		return fmt.Errorf("lock checkpoints: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := clearForInstall(fsys, dir); err != nil {
		return err
	}
	scrub := scrubber{ctx: context.Background(), fs: fsys}
	for _, id := range c.Files() {
		if err := installFile(&scrub, dir, id, c.Sizes[id], open); err != nil {
			return fmt.Errorf("install checkpoint file %016x: %w", uint64(id), err)
		}
	}
	if err := fsys.SyncDir(dir); err != nil {
		return fmt.Errorf("sync checkpoint directory: %w", err)
	}
	if err := replaceWith(fsys, path.Join(dir, catalogName(c.Number)), content); err != nil {
		return fmt.Errorf("write catalog: %w", err)
	}
	if err := fsys.SyncDir(dir); err != nil {
		return fmt.Errorf("sync checkpoint directory: %w", err)
	}
	// The mark goes last: where it is missing, the catalog is there.
	if err := fsys.Remove(path.Join(dir, installName)); err != nil {
		return fmt.Errorf("end installation: %w", err)
	}
	if err := fsys.SyncDir(dir); err != nil {
		return fmt.Errorf("sync checkpoint directory: %w", err)
	}
	return nil
}

// clearForInstall marks the directory as being installed into and removes what
// an earlier Install left. It refuses a directory with anything else in it.
func clearForInstall(fsys vfs.FS, dir string) error {
	d, err := readDir(fsys, dir)
	if err != nil {
		return err
	}
	if len(d.others) > 0 {
		return &OccupiedError{Dir: dir, Name: d.others[0]}
	}
	var catalogs []string
	for _, number := range d.catalogs {
		catalogs = append(catalogs, catalogName(number))
	}
	files := d.temporaries
	for id := range d.files {
		files = append(files, dataName(id))
	}
	if !d.installing {
		if left := append(catalogs, files...); len(left) > 0 {
			return &OccupiedError{Dir: dir, Name: left[0]}
		}
		if err := writeFile(fsys, path.Join(dir, installName), nil); err != nil {
			return fmt.Errorf("begin installation: %w", err)
		}
	}
	// The mark before anything it speaks of; and a catalog must not outlive
	// its files.
	for _, names := range [][]string{nil, catalogs, files} {
		for _, name := range names {
			if err := fsys.Remove(path.Join(dir, name)); err != nil {
				return fmt.Errorf("remove what an installation left: %w", err)
			}
		}
		if err := fsys.SyncDir(dir); err != nil {
			return fmt.Errorf("sync checkpoint directory: %w", err)
		}
	}
	return nil
}

// installFile copies one data file of size bytes, syncs and verifies it.
func installFile(scrub *scrubber, dir string, id FileID, size uint64, open func(FileID) (io.ReadCloser, error)) (err error) {
	from, err := open(id)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	name := path.Join(dir, dataName(id))
	to, err := scrub.fs.Create(name)
	if err != nil {
		return err
	}
	if err := errors.Join(copyExactly(to, from, name, size, scrub.room(int(min(size, BlockSize)))), to.Close()); err != nil {
		return err
	}
	_, found := scrub.file(name, id)
	return errors.Join(found...)
}

// copyExactly copies size bytes and syncs them; from has to end there. buf is
// not empty.
func copyExactly(to vfs.File, from io.Reader, name string, size uint64, buf []byte) error {
	var at uint64
	for {
		n, err := io.ReadFull(from, buf)
		if at+uint64(n) > size {
			return damage(name, int64(size), "the file goes on after the %d bytes it should have", size)
		}
		if n > 0 {
			if _, err := to.WriteAt(buf[:n], int64(at)); err != nil {
				return err
			}
			at += uint64(n)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
	if at < size {
		return damage(name, int64(at), "the file ends after %d of %d bytes", at, size)
	}
	return to.Sync()
}
