package journal

import (
	"errors"
	"fmt"
)

// ErrClosed is returned by every call after Close.
var ErrClosed = errors.New("the journal is closed")

// ErrExists is returned by Create when the directory holds a log already.
var ErrExists = errors.New("the directory holds a journal already")

// ErrFull says that the disk has no room for the frame. Nothing was written;
// the journal goes on, and takes frames again once there is room.
var ErrFull = errors.New("the disk has no room for the journal")

// ErrQueueFull says that as many frames wait to be committed as may wait.
var ErrQueueFull = errors.New("too many frames wait to be committed")

// CorruptError says that bytes that were on stable storage have changed or are
// gone. It names where, for the operator who has to decide.
type CorruptError struct {
	File   string
	Offset int64 // bytes into the file
	Why    string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal is damaged: %s at byte %d: %s", e.File, e.Offset, e.Why)
}

// FailedError says that the journal has ended and takes no more frames. What
// was durable before can still be read.
type FailedError struct{ Cause error }

func (e *FailedError) Error() string { return fmt.Sprintf("journal has failed: %v", e.Cause) }

// Unwrap gives the failure that ended the journal.
func (e *FailedError) Unwrap() error { return e.Cause }

// FrameError says that a frame cannot be appended: one of its fields is over
// its limit.
type FrameError struct {
	Field string
	Size  int64
	Limit int64
}

func (e *FrameError) Error() string {
	return fmt.Sprintf("append frame: %s is %d, the limit is %d", e.Field, e.Size, e.Limit)
}

// TrimmedError says that the frames from a position on are no longer all
// there.
type TrimmedError struct {
	From  Position // what was asked for
	First Position // the oldest that is kept
}

func (e *TrimmedError) Error() string {
	return fmt.Sprintf("read journal from %d: trimmed up to %d", e.From, e.First)
}

// PositionError says that no frame starts at a position.
type PositionError struct {
	From Position
	End  Position // the durable end
}

func (e *PositionError) Error() string {
	return fmt.Sprintf("read journal from %d: no frame starts there (the log ends at %d)", e.From, e.End)
}
