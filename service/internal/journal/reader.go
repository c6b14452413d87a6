package journal

import (
	"fmt"
	"slices"

	"github.com/engram-stream/engram/service/internal/vfs"
)

const (
	readWindow   = 1 << 20 // bytes read ahead when payloads are wanted
	headerWindow = 16 << 10
)

// reader walks the frames of one segment. Not safe for concurrent use.
type reader struct {
	file  vfs.File
	name  string
	logID uint64
	first Position

	off   int64 // of the next frame, in bytes into the file
	limit int64 // no frame reaches beyond
	// payloads: read and verify them.
	payloads bool

	window    []byte // the bytes of the file from windowOff on
	windowOff int64
}

// item is a frame as the reader found it.
type item struct {
	pos    Position
	prefix prefix
	frame  *Frame
}

// next reads the frame at off and moves behind it. A *CorruptError means that
// there is no valid one; off stays.
func (r *reader) next() (item, error) {
	pos := r.first + Position(r.off)
	b, err := r.bytes(r.off, prefixSize)
	if err != nil {
		return item{}, err
	}
	p, ok := parsePrefix(b, r.logID, pos)
	if !ok {
		return item{}, r.corrupt("no valid frame")
	}
	if r.off+p.size() > r.limit {
		return item{}, r.corrupt(fmt.Sprintf("a frame of %d bytes reaches beyond the end", p.size()))
	}
	fieldsAt := r.off + prefixSize
	n := int64(p.fieldsLen)
	if r.payloads {
		n += int64(p.payloadLen)
	}
	b, err = r.bytes(fieldsAt, n)
	if err != nil {
		return item{}, err
	}
	fields, payload := b[:p.fieldsLen], b[p.fieldsLen:]
	if checksum(fields) != p.fieldsCRC {
		return item{}, r.corrupt("the checksum of a frame's fields is wrong")
	}
	f, err := decodeFields(fields)
	if err != nil {
		return item{}, &CorruptError{File: r.name, Offset: r.off, Why: "a frame with a valid checksum cannot be decoded: " + err.Error()}
	}
	if r.payloads {
		if checksum(payload) != p.payloadCRC {
			return item{}, r.corrupt("the checksum of a frame's payload is wrong")
		}
		if len(payload) > 0 {
			f.Payload = payload
		}
	}
	r.off += p.size()
	return item{pos: pos, prefix: p, frame: f}, nil
}

func (r *reader) corrupt(why string) error {
	return &CorruptError{File: r.name, Offset: r.off, Why: why}
}

// bytes gives n bytes of the file from off on, valid until the next call.
func (r *reader) bytes(off, n int64) ([]byte, error) {
	if off+n > r.limit {
		return nil, r.corrupt("the segment ends within a frame")
	}
	if off < r.windowOff || off+n > r.windowOff+int64(len(r.window)) {
		want := int64(headerWindow)
		if r.payloads {
			want = readWindow
		}
		want = min(max(want, n), r.limit-off)
		r.window = slices.Grow(r.window[:0], int(want))[:want]
		got, err := readFull(r.file, r.window, off)
		r.window, r.windowOff = r.window[:got], off
		if err != nil {
			return nil, fmt.Errorf("read segment: %w", err)
		}
		if int64(got) < n {
			return nil, r.corrupt("the file is shorter than what was written to it")
		}
	}
	return r.window[off-r.windowOff:][:n], nil
}
