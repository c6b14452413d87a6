package main

import (
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

type boltStore struct{ db *bbolt.DB }

var bucket = []byte("records")

func openBolt(dir string) (store, error) {
	o := *bbolt.DefaultOptions
	o.NoFreelistSync = true
	o.FreelistType = bbolt.FreelistMapType
	o.InitialMmapSize = 2 << 30
	db, err := bbolt.Open(filepath.Join(dir, "bolt.db"), 0o600, &o)
	if err != nil {
		return nil, err
	}
	// As soon as every writer waits, or after a moment.
	db.MaxBatchSize, db.MaxBatchDelay = writers, 2*time.Millisecond
	db.AllocSize = 64 << 20
	return boltStore{db}, db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucket)
		return err
	})
}

func (s boltStore) write(writer int, first uint64, records [][]byte) error {
	return s.db.Batch(func(tx *bbolt.Tx) error {
		// A bucket a writer, which is filled in order.
		b, err := tx.Bucket(bucket).CreateBucketIfNotExists(key(nil, writer, 0)[:4])
		if err != nil {
			return err
		}
		b.FillPercent = 1
		for i, r := range records {
			if err := b.Put(key(nil, writer, first+uint64(i)), r); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s boltStore) each(fn func([]byte)) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		top := tx.Bucket(bucket)
		return top.ForEachBucket(func(k []byte) error {
			return top.Bucket(k).ForEach(func(_, v []byte) error {
				fn(v)
				return nil
			})
		})
	})
}

func (s boltStore) close() error { return s.db.Close() }
