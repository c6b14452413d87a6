package checkpoint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

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
