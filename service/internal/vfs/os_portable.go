//go:build unix && !linux

package vfs

import (
	"errors"
	"os"
)

// Sync is what package os does: on darwin that is F_FULLFSYNC, without which
// the disk's own cache would keep the bytes.
func (f *osFile) Sync() error { return f.File.Sync() }

func reserve(*os.File, int64, int64) error { return errors.ErrUnsupported }
