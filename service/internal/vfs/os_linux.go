package vfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Sync is fdatasync: unlike fsync it leaves out the time stamps, which saves a
// write to the file system's own journal when the size did not change.
func (f *osFile) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
			// A signal came before anything was done: not a failed sync.
		default:
			return pathError("fdatasync", f.Name(), err)
		}
	}
}

func reserve(f *os.File, off, length int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, off, length)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EOPNOTSUPP):
			return errors.ErrUnsupported
		default:
			return err
		}
	}
}
