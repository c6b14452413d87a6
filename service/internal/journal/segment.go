package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/engram-stream/engram/service/internal/vfs"
)

const (
	headerSize  = 32
	extension   = ".seg"
	nameDigits  = 16
	lockName    = "LOCK"
	headerMagic = "ENGRAMJ"
	version     = 1
)

// segment is one file of the log. What is fixed when it is made: first,
// capacity, name. The rest belongs to the committer.
type segment struct {
	first    Position
	capacity int64
	name     string // with the directory

	file      vfs.File // for writing; nil once sealed
	end       int64    // where the next frame goes, in bytes into the file
	allocated bool     // the room up to capacity is reserved
	clean     bool     // the last thing before end is a clean mark
	found     tail     // what Open saw
}

// past is the position behind the segment, where the next one begins.
func (g *segment) past() Position { return g.first + Position(g.capacity) }

func segmentName(dir string, first Position) string {
	return path.Join(dir, fmt.Sprintf("%0*x%s", nameDigits, uint64(first), extension))
}

// parseSegmentName reports false for the names of other files.
func parseSegmentName(name string) (Position, bool) {
	digits, ok := strings.CutSuffix(name, extension)
	if !ok || len(digits) != nameDigits {
		return 0, false
	}
	first, err := strconv.ParseUint(digits, 16, 64)
	if err != nil || segmentName("", Position(first)) != name {
		return 0, false
	}
	return Position(first), true
}

func appendHeader(b []byte, logID uint64, first Position, capacity int64) []byte {
	start := len(b)
	b = append(b, headerMagic...)
	b = append(b, version)
	b = binary.LittleEndian.AppendUint64(b, logID)
	b = binary.LittleEndian.AppendUint64(b, uint64(first))
	b = binary.LittleEndian.AppendUint32(b, uint32(capacity))
	return binary.LittleEndian.AppendUint32(b, checksum(b[start:]))
}

type header struct {
	logID    uint64
	first    Position
	capacity int64
}

var errHeader = errors.New("the segment's header is damaged")

func parseHeader(b []byte) (header, error) {
	if len(b) < headerSize || string(b[:7]) != headerMagic ||
		binary.LittleEndian.Uint32(b[28:]) != checksum(b[:28]) {
		return header{}, errHeader
	}
	if b[7] != version {
		return header{}, fmt.Errorf("the segment has version %d, this program knows %d", b[7], version)
	}
	h := header{
		logID:    binary.LittleEndian.Uint64(b[8:]),
		first:    Position(binary.LittleEndian.Uint64(b[16:])),
		capacity: int64(binary.LittleEndian.Uint32(b[24:])),
	}
	if h.capacity < MinSegmentBytes || h.capacity > MaxSegmentBytes {
		return header{}, errHeader
	}
	return h, nil
}

// createSegment makes an empty segment, with its room reserved, durably. When
// it fails no file is left, as far as that is in its power.
func createSegment(opts *Options, logID uint64, first Position) (*segment, error) {
	g := &segment{
		first: first, capacity: opts.SegmentBytes, name: segmentName(opts.Dir, first),
		end: headerSize, allocated: true,
	}
	f, err := opts.FS.Create(g.name)
	if err != nil {
		return nil, fmt.Errorf("create segment: %w", err)
	}
	err = func() error {
		if err := f.Preallocate(g.capacity); err != nil {
			return err
		}
		if _, err := f.WriteAt(appendHeader(nil, logID, first, g.capacity), 0); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		return opts.FS.SyncDir(opts.Dir)
	}()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create segment: %w", err), f.Close(), opts.FS.Remove(g.name))
	}
	g.file = f
	return g, nil
}

// reserve makes the room of a segment that was cut short.
func (g *segment) reserve() error {
	if g.allocated {
		return nil
	}
	if err := g.file.Preallocate(g.capacity); err != nil {
		return err
	}
	if err := g.file.Sync(); err != nil {
		return err
	}
	g.allocated = true
	return nil
}

// cut drops everything from end on, durably, so that it can never be read
// again. The room has to be reserved anew.
func (g *segment) cut() error {
	if err := g.file.Truncate(g.end); err != nil {
		return err
	}
	g.allocated = false
	return g.file.Sync()
}

// readFull is ReadAt that returns what there is before the end of the file.
func readFull(f vfs.File, b []byte, off int64) (int, error) {
	n, err := f.ReadAt(b, off)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}
