package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/engram-stream/engram/service/internal/vfs"
)

// directory is the content of a checkpoint directory.
type directory struct {
	fs          vfs.FS
	dir         string
	catalogs    []uint64 // numbers, the newest first
	files       map[FileID]int64
	temporaries []string
	others      []string // what does not belong here
	installing  bool
	number      uint64 // the highest of a catalog, also of a temporary one
	nextFile    FileID
}

func readDir(fsys vfs.FS, dir string) (*directory, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list checkpoints: %w", err)
	}
	d := &directory{fs: fsys, dir: dir, files: map[FileID]int64{}}
	for _, name := range names {
		whole, temporary := strings.CutSuffix(name, tempSuffix)
		number, isCatalog := parseCatalogName(whole)
		id, isData := parseDataName(whole)
		switch {
		case isCatalog:
			d.number = max(d.number, number)
			if !temporary {
				d.catalogs = append(d.catalogs, number)
			}
		case isData:
			d.nextFile = max(d.nextFile, id+1)
			if !temporary {
				size, err := fsys.Stat(path.Join(dir, name))
				if err != nil {
					return nil, fmt.Errorf("look at checkpoint file: %w", err)
				}
				d.files[id] = size
			}
		case name == installName:
			d.installing = true
		case name != lockName:
			d.others = append(d.others, name)
		}
		if temporary && (isCatalog || isData) {
			d.temporaries = append(d.temporaries, name)
		}
	}
	slices.Reverse(d.catalogs)
	return d, nil
}

// readCatalogs reads every catalog, the newest first. Damaged ones are left
// out of the first result and reported in the second.
func (d *directory) readCatalogs() (read []*Catalog, damaged []error, err error) {
	for _, number := range d.catalogs {
		c, _, err := readCatalog(d.fs, d.dir, number)
		var broken *DamageError
		switch {
		case errors.As(err, &broken):
			damaged = append(damaged, broken)
		case err != nil:
			return nil, nil, fmt.Errorf("read catalog: %w", err)
		default:
			read = append(read, c)
		}
	}
	return read, damaged, nil
}

// readCatalog reads one catalog file; the number of bytes it has comes along.
func readCatalog(fsys vfs.FS, dir string, number uint64) (_ *Catalog, size int64, err error) {
	name := path.Join(dir, catalogName(number))
	f, err := fsys.OpenRead(name)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err = f.Size()
	if err != nil {
		return nil, 0, err
	}
	if size > maxLine+maxCatalog {
		return nil, size, damage(name, maxLine+maxCatalog, "the file has %d bytes, a catalog at most %d", size, maxLine+maxCatalog)
	}
	b := make([]byte, size)
	if err := readFull(f, name, b, 0); err != nil {
		return nil, size, err
	}
	c, err := decodeCatalog(name, number, b)
	return c, size, err
}

// missing gives the damage that shows without reading the files of a catalog:
// those that are not there, and those of another size.
func (d *directory) missing(c *Catalog) (found []error) {
	for _, id := range c.Files() {
		name := path.Join(d.dir, dataName(id))
		size, there := d.files[id]
		switch want := c.Sizes[id]; {
		case !there:
			found = append(found, &DamageError{File: name, Cause: fs.ErrNotExist})
		case uint64(size) != want:
			found = append(found, damage(name, min(size, int64(want)), "the file has %d bytes, not %d", size, want))
		}
	}
	return found
}
