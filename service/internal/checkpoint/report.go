package checkpoint

import (
	"context"
	"errors"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/engram-stream/engram/service/internal/vfs"
)

// Report is what [VerifyDir] found. Sizes are in bytes.
type Report struct {
	Catalogs []CatalogReport // the newest first
	Files    []FileReport    // by id, also those that are missing
	// Temporaries are names of files that were being written; Open removes
	// them. Others are names that do not belong there.
	Temporaries []string
	Others      []string
	// Unfinished says that an Install was begun there and not finished.
	Unfinished bool
	// Damage has everything that is wrong, each a [*DamageError] or, of what a
	// newer program wrote, a [*VersionError].
	Damage []error
}

// CatalogReport is one catalog file.
type CatalogReport struct {
	Name    string
	Number  uint64
	Size    int64
	Created time.Time
	Journal uint64
	// Position is where in the journal replay begins.
	Position uint64
	Spaces   int
	Files    int
	// Whole says that the catalog and every file it names is. InForce is the
	// one that Open would choose.
	Whole   bool
	InForce bool
}

// FileReport is one data file.
type FileReport struct {
	Name       string
	ID         FileID
	Size       int64 // 0 when it is missing
	Blocks     int   // that were read
	Damaged    int   // findings in it
	Missing    bool
	Referenced bool // by a catalog that can be read
}

// VerifyDir reads every catalog and every block of every data file of a
// directory and tells what is there and what is damaged. It takes no lock and
// changes nothing; with a store open there meanwhile, files that come and go
// may show as damage. The error is about reading the directory itself.
func VerifyDir(fsys vfs.FS, dir string) (Report, error) {
	d, err := readDir(fsys, dir)
	if err != nil {
		return Report{}, err
	}
	r := Report{Temporaries: d.temporaries, Others: d.others, Unfinished: d.installing}
	var read []*Catalog
	named := map[FileID]bool{}
	for _, number := range d.catalogs {
		c, size, err := readCatalog(fsys, dir, number)
		report := CatalogReport{Name: catalogName(number), Number: number, Size: size}
		if err != nil {
			r.Damage = append(r.Damage, verdict(path.Join(dir, report.Name), err))
			c = nil
		} else {
			ids := c.Files()
			report.Created, report.Journal, report.Position = c.Created, c.Journal, c.Position
			report.Spaces, report.Files = len(c.Spaces), len(ids)
			for _, id := range ids {
				named[id] = true
			}
		}
		read = append(read, c)
		r.Catalogs = append(r.Catalogs, report)
	}
	bad := r.verifyFiles(d, named)
	r.judge(d, read, bad)
	if len(d.catalogs) == 0 && len(d.files) > 0 && !d.installing {
		r.Damage = append(r.Damage, damage(dir, 0, "there are %d data files and no catalog", len(d.files)))
	}
	return r, nil
}

// verifyFiles looks at every file that is there or named, and gives the ids of
// those that are not whole.
func (r *Report) verifyFiles(d *directory, named map[FileID]bool) (bad map[FileID]bool) {
	all := maps.Clone(named)
	for id := range d.files {
		all[id] = true
	}
	bad = map[FileID]bool{}
	scrub := scrubber{ctx: context.Background(), fs: d.fs}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		size, there := d.files[id]
		f := FileReport{Name: dataName(id), ID: id, Size: size, Missing: !there, Referenced: named[id]}
		var found []error
		f.Blocks, found = scrub.file(path.Join(d.dir, f.Name), id)
		// What no catalog names may be half written.
		if f.Referenced {
			r.Damage = append(r.Damage, found...)
		}
		f.Damaged = len(found)
		bad[id] = len(found) > 0
		r.Files = append(r.Files, f)
	}
	return bad
}

// judge says of each catalog whether it is whole, and which one Open chooses.
func (r *Report) judge(d *directory, read []*Catalog, bad map[FileID]bool) {
	chosen, first := -1, -1
	for n, c := range read {
		if c == nil {
			continue
		}
		missing := d.missing(c)
		if first < 0 {
			first = n
		}
		if chosen < 0 && len(missing) == 0 {
			chosen = n
		}
		for _, err := range missing {
			if !slices.ContainsFunc(r.Damage, func(e error) bool { return sameFile(e, err) }) {
				r.Damage = append(r.Damage, err)
			}
		}
		r.Catalogs[n].Whole = len(missing) == 0 && !slices.ContainsFunc(c.Files(), func(id FileID) bool { return bad[id] })
	}
	if chosen < 0 {
		chosen = first
	}
	if chosen >= 0 {
		r.Catalogs[chosen].InForce = true
	}
}

func sameFile(a, b error) bool {
	var x, y *DamageError
	return errors.As(a, &x) && errors.As(b, &y) && x.File == y.File
}
