package main

import (
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

type pebbleStore struct{ db *pebble.DB }

func openPebble(dir string) (store, error) { return pebbleWith(dir, nil) }

// openPebbleSeparated keeps values of 512 bytes and more in blob files, with
// the settings of Pebble's own benchmark.
func openPebbleSeparated(dir string) (store, error) {
	return pebbleWith(dir, func() pebble.ValueSeparationPolicy {
		return pebble.ValueSeparationPolicy{
			Enabled: true, MinimumSize: 512, MaxBlobReferenceDepth: 10,
			RewriteMinimumAge: 5 * time.Minute, TargetGarbageRatio: 1,
		}
	})
}

func pebbleWith(dir string, separation func() pebble.ValueSeparationPolicy) (store, error) {
	o := &pebble.Options{
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableSize:                64 << 20,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       24,
		LBaseMaxBytes:               256 << 20,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
		Logger:                      quiet{},
	}
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
	if separation != nil {
		o.Experimental.ValueSeparationPolicy = separation
	}
	db, err := pebble.Open(dir, o)
	if err != nil {
		return nil, err
	}
	return pebbleStore{db}, nil
}

func (s pebbleStore) write(writer int, first uint64, records [][]byte) error {
	b := s.db.NewBatchWithSize(len(records) * (recordBytes + 32))
	var k [12]byte
	for i, r := range records {
		if err := b.Set(key(k[:], writer, first+uint64(i)), r, nil); err != nil {
			return errors.Join(err, b.Close())
		}
	}
	return errors.Join(b.Commit(pebble.Sync), b.Close())
}

func (s pebbleStore) each(fn func([]byte)) error {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return err
	}
	for ok := it.First(); ok; ok = it.Next() {
		fn(it.Value())
	}
	return errors.Join(it.Error(), it.Close())
}

func (s pebbleStore) close() error { return s.db.Close() }

// quiet leaves out what is not an error.
type quiet struct{}

func (quiet) Infof(string, ...any)              {}
func (quiet) Errorf(format string, args ...any) { pebble.DefaultLogger.Errorf(format, args...) }
func (quiet) Fatalf(format string, args ...any) { pebble.DefaultLogger.Fatalf(format, args...) }
