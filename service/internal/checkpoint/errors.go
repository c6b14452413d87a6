package checkpoint

import (
	"errors"
	"fmt"

	"github.com/engram-stream/engram/service/internal/fault"
)

// ErrClosed is returned by every call after Close.
var ErrClosed = errors.New("the checkpoint store is closed")

// DamageError says that bytes that were on stable storage have changed, are
// gone or cannot be read. It names where, for the operator who has to decide.
// To a client it is a [fault.Error] with code DataLoss that tells nothing of
// the server's files.
type DamageError struct {
	File   string
	Offset int64 // bytes into the file
	Cause  error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("checkpoint is damaged: %s at byte %d: %v", e.File, e.Offset, e.Cause)
}

// Unwrap gives what is wrong at that place.
func (e *DamageError) Unwrap() error { return e.Cause }

// As gives the damage as a fault, to those who look for one.
func (e *DamageError) As(target any) bool {
	f, ok := target.(**fault.Error)
	if ok {
		*f = fault.New(fault.DataLoss, fault.Corrupt, "a checkpoint is damaged; the server's log says where").Because(e.Cause)
	}
	return ok
}

// damage is a DamageError whose cause is a text.
func damage(file string, offset int64, format string, args ...any) *DamageError {
	return &DamageError{File: file, Offset: offset, Cause: fmt.Errorf(format, args...)}
}

// VersionError says that a file is whole and of a format that this build does
// not know: it was written by another version of the program.
type VersionError struct {
	File    string
	Version uint8
	Known   uint8 // the newest this build reads
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("checkpoint file %s has format %d; this version of the program reads up to %d", e.File, e.Version, e.Known)
}

// FailedError says that the store takes no more files and catalogs: a sync of
// its directory failed, and what the directory holds on stable storage is
// unknown from then on. What is in force can still be read. Opening the store
// anew finds out what is there.
type FailedError struct{ Cause error }

func (e *FailedError) Error() string { return fmt.Sprintf("checkpoint store has failed: %v", e.Cause) }

// Unwrap gives the failure that ended the store.
func (e *FailedError) Unwrap() error { return e.Cause }

// CatalogError says that a catalog cannot be committed: a field of it is wrong.
type CatalogError struct {
	Field string
	Why   string
}

func (e *CatalogError) Error() string { return fmt.Sprintf("catalog: %s %s", e.Field, e.Why) }

// LimitError says that a file or a catalog would grow over its limit.
type LimitError struct {
	What  string
	Size  uint64 // bytes
	Limit uint64 // bytes
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s is %d bytes long, the limit is %d", e.What, e.Size, e.Limit)
}

// OccupiedError says that a checkpoint cannot be installed in a directory
// because something is there.
type OccupiedError struct {
	Dir  string
	Name string // of what is there
}

func (e *OccupiedError) Error() string {
	return fmt.Sprintf("install checkpoint: %s is not empty: it has %s", e.Dir, e.Name)
}
