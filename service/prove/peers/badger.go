package main

import (
	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

type badgerStore struct{ db *badger.DB }

func openBadger(dir string) (store, error) {
	o := badger.DefaultOptions(dir).WithSyncWrites(true).WithCompression(options.None).
		WithValueThreshold(1 << 10).WithDetectConflicts(false).WithLoggingLevel(badger.ERROR)
	db, err := badger.Open(o)
	if err != nil {
		return nil, err
	}
	return badgerStore{db}, nil
}

func (s badgerStore) write(writer int, first uint64, records [][]byte) error {
	tx := s.db.NewTransaction(true)
	defer tx.Discard()
	for i, r := range records {
		if err := tx.Set(key(nil, writer, first+uint64(i)), r); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (s badgerStore) each(fn func([]byte)) error {
	return s.db.View(func(tx *badger.Txn) (err error) {
		it := tx.NewIterator(badger.DefaultIteratorOptions)
		defer it.Close()
		for it.Rewind(); it.Valid() && err == nil; it.Next() {
			err = it.Item().Value(func(v []byte) error { fn(v); return nil })
		}
		return err
	})
}

func (s badgerStore) close() error { return s.db.Close() }
