package vfs

import (
	"errors"
	"io"
	"io/fs"
	"syscall"
)

// FS is a file system. Errors are or wrap those of package io/fs and the
// system's error numbers (see [IsNoSpace]).
type FS interface {
	// Create makes an empty file for reading and writing; an existing one is
	// emptied.
	Create(name string) (File, error)
	// OpenRead opens an existing file for reading.
	OpenRead(name string) (File, error)
	// OpenReadWrite opens an existing file for reading and writing.
	OpenReadWrite(name string) (File, error)
	// Remove removes a file. Open handles of it go on working.
	Remove(name string) error
	// Rename moves a file over newName, atomically, replacing what is there.
	Rename(oldName, newName string) error
	// List gives the names of the entries of a directory, sorted, without the
	// directory's own path.
	List(dir string) ([]string, error)
	// MkdirAll makes a directory and its parents. It is durable on return.
	MkdirAll(dir string) error
	// Stat gives the size of a file in bytes.
	Stat(name string) (int64, error)
	// SyncDir puts the names in a directory on stable storage.
	SyncDir(dir string) error
	// Space tells how much room the file system of a directory has.
	Space(dir string) (Space, error)
	// Lock takes the lock of this name (a file, made if needed) for this
	// process, or returns [ErrLocked] at once. It is given back by Close, and
	// by the end of the process, however that comes.
	Lock(name string) (io.Closer, error)
	// Map makes length bytes of an existing file, from offset on, readable as
	// memory; the range has to lie within the file. A shared mapping is for
	// reading only. A private one can also be written to, and neither the file
	// nor any other mapping sees that. What others write to the file after the
	// call may show or not. The mapping outlives the name.
	Map(name string, offset, length int64, private bool) (Mapping, error)
}

// Mapping is a range of a file as memory.
type Mapping interface {
	// Bytes is the range. Its first byte has the same address modulo 64 as it
	// has offset in the file. Reading it after Close, or a page of it that the
	// disk cannot deliver, is a fault of the process.
	Bytes() []byte
	// Close gives the memory back. A second one returns fs.ErrClosed.
	Close() error
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Sync puts the file's bytes and its size on stable storage (fdatasync).
	Sync() error
	// Preallocate makes the file at least size bytes long, new bytes being
	// zero, and reserves the room, so that writing there cannot fail for lack
	// of it (where the file system allows that promise).
	Preallocate(size int64) error
	// Truncate sets the size in bytes; new bytes are zero.
	Truncate(size int64) error
	// Size gives the size in bytes.
	Size() (int64, error)
	Close() error
}

// Space is the room on a file system, in bytes.
type Space struct {
	Free  uint64 // what this process may still use
	Total uint64
}

// ErrLocked is returned by Lock when another holder has the lock.
var ErrLocked = errors.New("locked by another process")

// IsNoSpace reports whether err says that the disk, or the quota, is full.
func IsNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// pathError wraps err the way package os does.
func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}
