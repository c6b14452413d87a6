package main

import (
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

type pebbleStore struct{ db *pebble.DB }

// openPebble has settings close to what its makers use in production.
func openPebble(dir string) (store, error) { return pebbleWith(dir, &pebble.Options{}) }

// openPebbleSeparated keeps values of 512 bytes and more in blob files, with
// the settings of Pebble's own benchmark.
func openPebbleSeparated(dir string) (store, error) {
	o := &pebble.Options{}
	o.Experimental.ValueSeparationPolicy = func() pebble.ValueSeparationPolicy {
		return pebble.ValueSeparationPolicy{
			Enabled: true, MinimumSize: 512, MaxBlobReferenceDepth: 10,
			RewriteMinimumAge: 5 * time.Minute, TargetGarbageRatio: 1,
		}
	}
	return pebbleWith(dir, o)
}

func openPebbleLarge(dir string) (store, error) {
	return pebbleWith(dir, &pebble.Options{MemTableSize: 128 << 20, L0CompactionThreshold: 8})
}

// pebbleWith opens a store with these settings, and ours where there are none.
func pebbleWith(dir string, o *pebble.Options) (store, error) {
	if o.MemTableSize == 0 {
		o.MemTableSize, o.L0CompactionThreshold = 64<<20, 4
	}
	o.FormatMajorVersion = pebble.FormatNewest
	o.MemTableStopWritesThreshold = 4
	o.L0StopWritesThreshold = 24
	o.LBaseMaxBytes = 256 << 20
	o.CompactionConcurrencyRange = func() (int, int) { return 1, 2 }
	o.Logger = quiet{}
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
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
