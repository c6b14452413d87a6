package journal_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// A segment of a later version is refused by name, whichever it is, and nothing
// of the log is changed: the program that wrote it can go on with it.
func TestCompatLaterVersion(t *testing.T) {
	disk, _ := written(t, 200, true)
	names := segments(t, disk)
	for _, name := range []string{names[0], names[len(names)/2], names[len(names)-1]} {
		var before [32]byte
		edit(t, disk, name, func(f vfs.File) error {
			if _, err := f.ReadAt(before[:], 0); err != nil {
				return err
			}
			later := before
			later[7]++
			binary.LittleEndian.PutUint32(later[28:], crc32.Checksum(later[:28], crc32.MakeTable(crc32.Castagnoli)))
			_, err := f.WriteAt(later[:], 0)
			return err
		})
		_, err := journal.Open(small(disk, "log"))
		var damage *journal.CorruptError
		if !errors.As(err, &damage) || damage.File != name || !strings.Contains(damage.Why, "version 2") {
			t.Errorf("%s: opening gave %v", name, err)
		}
		edit(t, disk, name, func(f vfs.File) error { _, err := f.WriteAt(before[:], 0); return err })
	}
	j, err := journal.Open(small(disk, "log"))
	if err != nil {
		t.Fatalf("after the versions are as they were: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}
