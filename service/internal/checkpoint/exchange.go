package checkpoint

import "github.com/engram-stream/engram/service/internal/vfs"

// Encode gives the catalog as the content of its file, checksum included: how
// it travels with a backup.
func (c *Catalog) Encode() ([]byte, error) { return c.encode() }

// DecodeCatalog reads what Encode made of the catalog of this number. What is
// not exactly that is a [*DamageError].
func DecodeCatalog(number uint64, content []byte) (*Catalog, error) {
	return decodeCatalog(catalogName(number), number, content)
}

// ReadCatalog reads the catalog of this number from a directory. It takes no
// lock and looks at no data file.
func ReadCatalog(fsys vfs.FS, dir string, number uint64) (*Catalog, error) {
	c, _, err := readCatalog(fsys, dir, number)
	return c, err
}

// DataName is the name of a data file in its directory.
func DataName(id FileID) string { return dataName(id) }
