package vfs

import (
	"io"
	"io/fs"
	"math"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// mapAlign is what the addresses of mappings agree with offsets in: a cache
// line, and the widest vector register.
const mapAlign = 64

// heapMapping is a copy of the range: the mapping of a [Mem], and of a file
// system that cannot map.
type heapMapping struct {
	name   string
	bytes  []byte
	closed atomic.Bool
}

func (m *heapMapping) Bytes() []byte { return m.bytes }

// Close lets go of the bytes; the collector takes them once nobody has them.
func (m *heapMapping) Close() error {
	if m.closed.Swap(true) {
		return pathError("unmap", m.name, fs.ErrClosed)
	}
	m.bytes = nil
	return nil
}

// mapRange refuses ranges that do not lie within a file of this size.
func mapRange(name string, offset, length, size int64) error {
	if offset < 0 || length < 0 || offset > size || length > size-offset {
		return pathError("map", name, syscall.EINVAL)
	}
	if length > math.MaxInt-mapAlign {
		return pathError("map", name, syscall.ENOMEM)
	}
	return nil
}

// alignedBytes is zeroed heap memory whose address agrees with offset modulo
// mapAlign.
func alignedBytes(offset, length int64) []byte {
	if length == 0 {
		return []byte{}
	}
	b := make([]byte, length+mapAlign)
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	skip := (uintptr(offset) - at) % mapAlign
	return b[skip : int64(skip)+length : int64(skip)+length]
}

// mapByReading reads the range into memory.
func mapByReading(name string, r io.ReaderAt, offset, length int64) (Mapping, error) {
	b := alignedBytes(offset, length)
	if n, err := r.ReadAt(b, offset); n < len(b) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF // it has become shorter meanwhile
		}
		return nil, pathError("map", name, err)
	}
	return &heapMapping{name: name, bytes: b}, nil
}
