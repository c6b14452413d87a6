package checkpoint

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// Names in the directory of a store. Numbers have 16 hex digits, so that names
// sort as numbers do.
const (
	lockName      = "LOCK"
	installName   = "installing" // there while Install works; see Open
	dataSuffix    = ".ckpt"
	catalogPrefix = "catalog-"
	tempSuffix    = ".tmp"
)

func dataName(id FileID) string          { return fmt.Sprintf("%016x%s", uint64(id), dataSuffix) }
func catalogName(number uint64) string   { return fmt.Sprintf("%s%016x", catalogPrefix, number) }
func (s *Store) path(name string) string { return path.Join(s.dir, name) }

// parseDataName gives the id of a data file; ok is false for every other name.
func parseDataName(name string) (FileID, bool) {
	digits, ok := strings.CutSuffix(name, dataSuffix)
	n, okNumber := parseNumber(digits)
	return FileID(n), ok && okNumber
}

func parseCatalogName(name string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, catalogPrefix)
	n, okNumber := parseNumber(digits)
	return n, ok && okNumber
}

// parseNumber takes what %016x makes and nothing else.
func parseNumber(digits string) (uint64, bool) {
	n, err := strconv.ParseUint(digits, 16, 64)
	return n, err == nil && fmt.Sprintf("%016x", n) == digits
}
