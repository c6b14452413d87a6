package checkpoint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
	"strings"
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

// The format of catalog files: one line "engram-catalog VERSION LENGTH CRC32C",
// then LENGTH bytes of JSON. The checksum, in 8 hex digits, covers the line up
// to it and the JSON. Later versions keep the line, so that an older program
// can tell a newer catalog from a damaged one.
const (
	catalogMagic   = "engram-catalog"
	catalogVersion = 1
	maxLine        = 64        // bytes
	maxCatalog     = 256 << 20 // bytes, of the JSON
)

// encode gives the catalog as the content of a file.
func (c *Catalog) encode() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	body, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode catalog: %w", err)
	}
	if len(body) > maxCatalog {
		return nil, &LimitError{What: "the catalog", Size: uint64(len(body)), Limit: maxCatalog}
	}
	return append(headerLine(catalogVersion, body), body...), nil
}

// headerLine is the line that goes before this body.
func headerLine(version uint8, body []byte) []byte {
	b := fmt.Appendf(nil, "%s %d %d ", catalogMagic, version, len(body))
	sum := crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, body)
	return fmt.Appendf(b, "%08x\n", sum)
}

// decodeCatalog reads the content of the catalog file of this name and number.
// Everything that is not as encode writes it is damage.
func decodeCatalog(name string, number uint64, b []byte) (*Catalog, error) {
	end := bytes.IndexByte(b[:min(len(b), maxLine)], '\n')
	if end < 0 {
		return nil, damage(name, 0, "no header line")
	}
	line, body := b[:end+1], b[end+1:]
	fields := strings.Split(string(line), " ")
	if len(fields) != 4 || fields[0] != catalogMagic {
		return nil, damage(name, 0, "the header line is %q", line)
	}
	version, err := strconv.ParseUint(fields[1], 10, 8)
	if err != nil {
		return nil, damage(name, 0, "version: %w", err)
	}
	// Writing the line again finds every deviation, be it of the length, the
	// checksum or the spelling.
	if want := headerLine(uint8(version), body); !bytes.Equal(line, want) {
		return nil, damage(name, 0, "the header line is %q, and %q would fit the %d bytes after it", line, want, len(body))
	}
	if version != catalogVersion {
		return nil, &VersionError{File: name, Version: uint8(version), Known: catalogVersion}
	}
	at := int64(len(line))
	c := &Catalog{}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(c); err != nil {
		return nil, &DamageError{File: name, Offset: at + decoder.InputOffset(), Cause: err}
	}
	if decoder.InputOffset() != int64(len(body)) {
		return nil, damage(name, at+decoder.InputOffset(), "something follows the catalog")
	}
	if c.Number != number {
		return nil, damage(name, at, "the catalog has number %d, not %d", c.Number, number)
	}
	if err := c.check(); err != nil {
		return nil, &DamageError{File: name, Offset: at, Cause: err}
	}
	return c, nil
}
