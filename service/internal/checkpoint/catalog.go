package checkpoint

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/engram-stream/engram/service/internal/memory"
)

// Catalog says what a checkpoint has. One that a [Store] has given out is never
// changed by anybody.
type Catalog struct {
	Number  uint64    `json:"number"`  // counts up; Commit gives it
	Created time.Time `json:"created"` // Commit gives it
	// Journal is the id of the log this belongs to, and Position where in it
	// replay begins.
	Journal  uint64 `json:"journal"`
	Position uint64 `json:"position"`
	// NextFile is above the id of every file there was. Commit gives it.
	NextFile FileID                   `json:"next_file"`
	Spaces   []Entry                  `json:"spaces"`
	Ended    map[memory.SpaceID]Ended `json:"ended,omitempty"`
	// Sizes has the length in bytes of every file that is named. Commit gives it.
	Sizes map[FileID]uint64 `json:"sizes"`
}

// Entry is one space in a catalog.
type Entry struct {
	Space       memory.SpaceID     `json:"space"`
	Incarnation memory.Incarnation `json:"incarnation"`
	Manifest    Ref                `json:"manifest"`
	Files       []FileID           `json:"files"` // every file the space needs, Manifest.File too
}

// Ended says where a deleted space of that name stopped.
type Ended struct {
	Generation memory.Generation `json:"generation"`
	Position   uint64            `json:"position"`
}

// Files gives the ids of all files the catalog names, ascending, each once.
func (c *Catalog) Files() []FileID {
	var ids []FileID
	for _, e := range c.Spaces {
		ids = append(ids, e.Files...)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// clone is a copy that shares nothing with c.
func (c *Catalog) clone() *Catalog {
	d := *c
	d.Spaces = slices.Clone(c.Spaces)
	for n := range d.Spaces {
		d.Spaces[n].Files = slices.Clone(d.Spaces[n].Files)
	}
	d.Ended = maps.Clone(c.Ended)
	d.Sizes = maps.Clone(c.Sizes)
	return &d
}

// check refuses catalogs that contradict themselves.
func (c *Catalog) check() error {
	if c.Number == 0 {
		return &CatalogError{"number", "is 0"}
	}
	seen := make(map[memory.SpaceID]bool, len(c.Spaces))
	for n, e := range c.Spaces {
		field := fmt.Sprintf("spaces[%d]", n)
		if !memory.ValidName(string(e.Space)) {
			return &CatalogError{field + ".space", fmt.Sprintf("%q is not a name", cut(string(e.Space)))}
		}
		if seen[e.Space] {
			return &CatalogError{field + ".space", fmt.Sprintf("%q is there twice", e.Space)}
		}
		seen[e.Space] = true
		if !slices.Contains(e.Files, e.Manifest.File) {
			return &CatalogError{field + ".files", fmt.Sprintf("lacks the manifest's %016x", uint64(e.Manifest.File))}
		}
		for _, id := range e.Files {
			if id >= c.NextFile {
				return &CatalogError{field + ".files", fmt.Sprintf("has %016x, which is not below next_file %016x", uint64(id), uint64(c.NextFile))}
			}
			if size := c.Sizes[id]; size < headerSize+sumSize+trailerSize {
				return &CatalogError{"sizes", fmt.Sprintf("gives file %016x %d bytes", uint64(id), size)}
			}
		}
		if !e.Manifest.within(c.Sizes[e.Manifest.File] - trailerSize) {
			return &CatalogError{field + ".manifest", fmt.Sprintf("is a %v, which has %d bytes", e.Manifest, c.Sizes[e.Manifest.File])}
		}
	}
	for name := range c.Ended {
		if !memory.ValidName(string(name)) {
			return &CatalogError{"ended", fmt.Sprintf("%q is not a name", cut(string(name)))}
		}
	}
	return nil
}

// cut keeps texts of unknown length out of errors.
func cut(s string) string { return s[:min(len(s), 2*memory.MaxNameLength)] }
