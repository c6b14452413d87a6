package main

import (
	"errors"
	"os"
	"slices"
	"syscall"
	"time"
)

// plainFile is what the disk gives without any store: the batches of all
// writers in one write, then a sync, one after the other, in a file whose room
// is reserved.
func plainFile(dir string) (_ figures, err error) {
	const times = 100
	f, err := os.CreateTemp(dir, "engram-peers-*.plain")
	if err != nil {
		return figures{}, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	b := slices.Concat(pool(0)[:batch]...)
	b = slices.Repeat(b, writers)
	fd := int(f.Fd()) //nolint:gosec // a file descriptor
	if err := syscall.Fallocate(fd, 0, 0, int64(len(b)*times)); err != nil {
		return figures{}, err
	}
	if err := f.Sync(); err != nil {
		return figures{}, err
	}
	began := time.Now()
	for i := range times {
		if _, err := f.WriteAt(b, int64(i*len(b))); err != nil {
			return figures{}, err
		}
		if err := syscall.Fdatasync(fd); err != nil {
			return figures{}, err
		}
	}
	return figures{PerSecond: times * writers * batch / time.Since(began).Seconds()}, nil
}
