package doctor

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/space"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// examination is an Examine under way.
type examination struct {
	*Report
	fs                        vfs.FS
	checkpointDir, journalDir string

	inForce *checkpoint.Catalog // the one a start reads; nil without one
	whole   []*checkpoint.Catalog
	spaces  *history
}

func isBackup(names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "catalog-") })
}

// checkpoints verifies the catalogs, the data files and the manifests.
func (x *examination) checkpoints() error {
	v, err := checkpoint.VerifyDir(x.fs, x.checkpointDir)
	if err != nil {
		return err
	}
	for _, f := range v.Files {
		if !f.Missing {
			x.Files++
			x.Bytes += f.Size
		}
		if !f.Referenced && f.Damaged > 0 {
			x.find(Finding{
				File: path.Join(x.checkpointDir, f.Name), What: "the file is not whole, and no catalog names it: it was being written when the server ended",
				Do: "nothing: the next start removes it",
			})
		}
	}
	for _, name := range v.Temporaries {
		x.find(Finding{File: path.Join(x.checkpointDir, name), What: "a catalog was being written when the server ended", Do: "nothing: the next start removes it"})
	}
	for _, name := range v.Others {
		x.find(Finding{File: path.Join(x.checkpointDir, name), What: "the file does not belong here; no start looks at it"})
	}
	if v.Unfinished {
		x.find(Finding{
			Damage: true, File: x.checkpointDir, What: "a backup was being restored, or taken, into this directory and that was not finished",
			Lost: "what is here is not complete", Do: "remove the directory and do it again",
		})
	}
	damaged := x.catalogs(&v)
	for _, err := range v.Damage {
		x.explain(err, damaged)
	}
	return nil
}

// catalogs reads the catalogs, and the manifests of those that are whole. It
// gives the spaces in force that need each file.
func (x *examination) catalogs(v *checkpoint.Report) map[string][]string {
	needs := map[string][]string{}
	for _, c := range v.Catalogs {
		x.Catalogs = append(x.Catalogs, Catalog{Number: c.Number, Position: c.Position, Spaces: c.Spaces, Whole: c.Whole, InForce: c.InForce})
		if !c.Whole && !c.InForce {
			continue
		}
		catalog, err := checkpoint.ReadCatalog(x.fs, x.checkpointDir, c.Number)
		if err != nil {
			continue // VerifyDir has found that
		}
		if c.Whole {
			x.whole = append(x.whole, catalog)
		}
		if c.InForce {
			x.inForce = catalog
			for _, e := range catalog.Spaces {
				for _, id := range e.Files {
					name := path.Join(x.checkpointDir, checkpoint.DataName(id))
					needs[name] = append(needs[name], string(e.Space))
				}
			}
			for name, end := range catalog.Ended {
				x.spaces.end(name, end.Generation, end.Position)
			}
		}
		for _, e := range catalog.Spaces {
			x.manifest(catalog, e, c.Whole, c.InForce)
		}
	}
	return needs
}

// manifest checks what the manifest of one space names.
func (x *examination) manifest(c *checkpoint.Catalog, e checkpoint.Entry, whole, inForce bool) {
	name := path.Join(x.checkpointDir, checkpoint.DataName(e.Manifest.File))
	bad := func(format string, args ...any) {
		x.find(Finding{
			Damage: true, File: name, Offset: int64(e.Manifest.Offset),
			What: fmt.Sprintf("the manifest of space %q in checkpoint %d ", e.Space, c.Number) + fmt.Sprintf(format, args...),
			Lost: fmt.Sprintf("what checkpoint %d has of space %q", c.Number, e.Space), Do: adviceRestore,
		})
	}
	b, err := x.section(name, e.Manifest)
	if err == nil {
		var info space.ManifestInfo
		if info, err = space.InspectManifest(b); err == nil {
			if inForce {
				x.spaces.base(info)
			}
			switch {
			case info.Space != e.Space || info.Incarnation != e.Incarnation:
				bad("is that of space %q, incarnation %d", info.Space, info.Incarnation)
			case info.Through >= x.limit(c):
				bad("goes up to journal position %d, which is not before that of the catalog's end", info.Through)
			}
			for _, r := range info.Refs {
				if !slices.Contains(e.Files, r.File) || r.Offset > c.Sizes[r.File] || r.Length > c.Sizes[r.File]-r.Offset {
					bad("names a %v, which the catalog does not have", r)
				}
			}
			return
		}
	}
	if whole { // else the damage that keeps it from being read was found
		bad("cannot be read: %v", err)
	}
	if inForce {
		x.spaces.unknown(e.Space)
	}
}

// limit is above every position that a catalog can know of. In a backup that is
// the catalog's own; elsewhere the journal tells.
func (x *examination) limit(c *checkpoint.Catalog) uint64 {
	if x.Kind == Backup {
		return c.Position
	}
	return 1 << 63
}

// section reads a section as it lies in the file; its blocks were verified.
func (x *examination) section(name string, r checkpoint.Ref) (b []byte, err error) {
	const limit = 1 << 30
	if r.Length > limit {
		return nil, fmt.Errorf("it has %d bytes; the limit is %d", r.Length, limit)
	}
	f, err := x.fs.OpenRead(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b = make([]byte, r.Length)
	if n, err := f.ReadAt(b, int64(r.Offset)); n < len(b) {
		return nil, err
	}
	return b, nil
}

const (
	adviceKeep    = "keep a copy of the directory as it is before anything else"
	adviceRestore = adviceKeep + "; if there is a backup, 'engram restore' makes a new directory of it"
)

// explain says what damage to a checkpoint means. needs are the spaces that the
// checkpoint in force reads from each file.
func (x *examination) explain(err error, needs map[string][]string) {
	var newer *checkpoint.VersionError
	if errors.As(err, &newer) {
		x.find(Finding{
			Damage: true, File: path.Join(x.checkpointDir, path.Base(newer.File)), What: newer.Error(),
			Lost: "nothing, for the version that wrote it", Do: "examine it with that version",
		})
		return
	}
	f := Finding{Damage: true, What: err.Error(), Do: adviceRestore}
	var d *checkpoint.DamageError
	if errors.As(err, &d) {
		f.File, f.Offset, f.What = d.File, d.Offset, d.Cause.Error()
	}
	spaces := needs[f.File]
	switch {
	case len(spaces) > 0 && x.fallback() != nil:
		f.Lost = fmt.Sprintf("the newest checkpoint of %s; checkpoint %d has an earlier one, and the journal what came after it", quoted(spaces), x.fallback().Number)
		f.Do = adviceKeep + "; a start reads the earlier checkpoint of these spaces, and the next checkpoint replaces the damaged one"
	case len(spaces) > 0:
		f.Lost = fmt.Sprintf("what the checkpoint has of %s; the others are whole", quoted(spaces))
	case x.inForce != nil && strings.HasPrefix(path.Base(f.File), "catalog-"):
		f.Lost = fmt.Sprintf("nothing, as long as the journal is whole from position %d on: a start reads checkpoint %d instead", x.inForce.Position, x.inForce.Number)
		f.Do = adviceKeep + "; then start the server, which writes a new checkpoint"
	case x.inForce != nil:
		f.Lost = fmt.Sprintf("nothing: checkpoint %d, which a start reads, does not need it", x.inForce.Number)
		f.Do = "nothing: it goes with one of the next checkpoints; but see to the disk"
	default:
		f.Lost = "all checkpoints: no catalog can be read"
	}
	x.find(f)
}

// fallback is a whole catalog before the one in force, if there is one.
func (x *examination) fallback() *checkpoint.Catalog {
	for _, c := range x.whole {
		if c.Number < x.inForce.Number && x.Kind == DataDirectory {
			return c
		}
	}
	return nil
}

// quoted lists some names.
func quoted(names []string) string {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	const most = 8
	out := "space"
	if len(names) > 1 {
		out = "spaces"
	}
	for i, n := range names[:min(len(names), most)] {
		if i > 0 {
			out += ","
		}
		out += " " + n
	}
	if len(names) > most {
		out += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return out
}
