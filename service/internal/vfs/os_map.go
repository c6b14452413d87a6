//go:build unix

package vfs

import (
	"errors"
	"io/fs"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Map uses mmap, which wants offsets at page boundaries: the mapping begins at
// the page that has the offset. File systems that cannot map (some network and
// user-space ones) have the range read into memory instead.
func (osFS) Map(name string, offset, length int64, private bool) (m Mapping, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	// A mapping keeps the file, not the descriptor.
	defer func() {
		if closeErr := f.Close(); closeErr != nil && err == nil {
			err = errors.Join(closeErr, m.Close())
			m = nil
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	// Beyond the end of a file a mapping has no memory: a fault to touch it.
	if err := mapRange(name, offset, length, info.Size()); err != nil {
		return nil, err
	}
	if length == 0 {
		return &heapMapping{name: name, bytes: []byte{}}, nil
	}
	prot, flags := unix.PROT_READ, unix.MAP_SHARED
	if private {
		prot, flags = unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE
	}
	skip := offset % int64(os.Getpagesize())
	pages, err := unix.Mmap(int(f.Fd()), offset-skip, int(skip+length), prot, flags)
	switch {
	case err == nil:
		return &osMapping{name: name, pages: pages, bytes: pages[skip:]}, nil
	case errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP):
		return mapByReading(name, f, offset, length)
	default:
		return nil, pathError("mmap", name, err)
	}
}

type osMapping struct {
	name   string
	pages  []byte // what mmap gave
	bytes  []byte // what was asked for
	closed atomic.Bool
}

func (m *osMapping) Bytes() []byte { return m.bytes }

func (m *osMapping) Close() error {
	if m.closed.Swap(true) {
		return pathError("unmap", m.name, fs.ErrClosed)
	}
	if err := unix.Munmap(m.pages); err != nil {
		return pathError("munmap", m.name, err)
	}
	return nil
}
