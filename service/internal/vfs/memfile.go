package vfs

import (
	"io"
	"io/fs"
	"syscall"
)

// memFile is a handle. closed is guarded by fs.mu.
type memFile struct {
	fs       *Mem
	node     *memNode
	name     string
	writable bool
	closed   bool
}

// check refuses use after Close and writes to a handle for reading. Needs mu.
func (f *memFile) check(op string, writes bool) error {
	switch {
	case f.closed:
		return pathError(op, f.name, fs.ErrClosed)
	case writes && !f.writable:
		return pathError(op, f.name, syscall.EBADF)
	}
	return nil
}

// room refuses growth to size bytes beyond the capacity. Needs mu.
func (f *memFile) room(op string, size int64) error {
	grow := size - int64(len(f.node.cached))
	if f.fs.capacity > 0 && grow > 0 && f.fs.used()+grow > f.fs.capacity {
		return pathError(op, f.name, syscall.ENOSPC)
	}
	return nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("read", false); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, pathError("read", f.name, syscall.EINVAL)
	}
	if off >= int64(len(f.node.cached)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.cached[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("write", true); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, pathError("write", f.name, syscall.EINVAL)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := f.room("write", off+int64(len(p))); err != nil {
		return 0, err
	}
	f.node.write(p, off)
	return len(p), nil
}

func (f *memFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("sync", false); err != nil {
		return err
	}
	f.node.sync()
	return nil
}

func (f *memFile) Preallocate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("preallocate", true); err != nil {
		return err
	}
	if size <= int64(len(f.node.cached)) {
		return nil
	}
	if err := f.room("preallocate", size); err != nil {
		return err
	}
	f.node.resize(size)
	return nil
}

func (f *memFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("truncate", true); err != nil {
		return err
	}
	if size < 0 {
		return pathError("truncate", f.name, syscall.EINVAL)
	}
	if err := f.room("truncate", size); err != nil {
		return err
	}
	f.node.resize(size)
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("size", false); err != nil {
		return 0, err
	}
	return int64(len(f.node.cached)), nil
}

func (f *memFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("close", false); err != nil {
		return err
	}
	f.closed = true
	return nil
}
