package journal

import (
	"bytes"
	"errors"
	"fmt"
)

// tail is what a scan found in a segment.
type tail struct {
	end    int64    // behind the last valid frame, in bytes into the file
	frames int      // that are handed out
	last   Position // of the newest of them
	sealed bool
	clean  bool // ends with a clean mark
	// stray: valid frames of an unfinished commit follow the end. They prove
	// that the segment was written to.
	stray bool
	dirty bool // something other than zeros follows the end
}

// used reports whether frames were ever written to the segment.
func (t *tail) used() bool { return t.end > headerSize || t.stray }

// scan reads the whole segment, verifies all of it, and decides where it ends
// (see the package comment, "After a crash").
func (g *segment) scan(logID uint64) (tail, error) {
	size, err := g.file.Size()
	if err != nil {
		return tail{}, err
	}
	g.allocated = size >= g.capacity
	r := reader{
		file: g.file, name: g.name, logID: logID, first: g.first,
		off: headerSize, limit: min(size, g.capacity), payloads: true,
	}
	t := tail{end: headerSize}
	for {
		it, err := r.next()
		var damage *CorruptError
		switch {
		case errors.As(err, &damage):
			return t, g.scanRest(&r, &t, damage)
		case err != nil:
			return t, err
		}
		t.end, t.clean = r.off, false
		switch it.frame.Kind {
		case kindSeal:
			t.sealed = true
			return t, nil
		case kindClean:
			t.clean = true
		default:
			t.frames++
			t.last = it.pos
		}
	}
}

// scanRest looks at what follows the last valid frame. It returns damage when a
// commit that began after it is there: then the bytes at t.end were on stable
// storage once. A frame whose checksums are right and which cannot be decoded
// is always damage.
func (g *segment) scanRest(r *reader, t *tail, damage *CorruptError) error {
	if p, err := r.intact(t.end); err != nil {
		return err
	} else if p {
		return damage
	}
	const chunk = 1 << 20
	for off := t.end; off < r.limit; off += chunk {
		// Overlap, so that a prefix across the border of two chunks is seen.
		b, err := r.bytes(off, min(chunk+prefixSize, r.limit-off))
		if err != nil {
			return err
		}
		t.dirty = t.dirty || !allZero(b)
		for at := 0; ; at++ {
			i := bytes.Index(b[at:], frameMagic)
			if i < 0 {
				break
			}
			at += i
			pos := g.first + Position(off) + Position(at)
			p, ok := parsePrefix(b[at:], r.logID, pos)
			if !ok {
				continue
			}
			if pos-Position(p.back) > g.first+Position(t.end) {
				damage.Why = fmt.Sprintf("%s, but a later commit follows at byte %d", damage.Why, off+int64(at))
				return damage
			}
			t.stray = true
		}
	}
	return nil
}

// intact reports whether every checksum of the frame at off is right, whatever
// its fields mean.
func (r *reader) intact(off int64) (bool, error) {
	if off+prefixSize > r.limit {
		return false, nil
	}
	b, err := r.bytes(off, prefixSize)
	if err != nil {
		return false, err
	}
	p, ok := parsePrefix(b, r.logID, r.first+Position(off))
	if !ok || off+p.size() > r.limit {
		return false, nil
	}
	b, err = r.bytes(off+prefixSize, p.size()-prefixSize)
	if err != nil {
		return false, err
	}
	return checksum(b[:p.fieldsLen]) == p.fieldsCRC && checksum(b[p.fieldsLen:]) == p.payloadCRC, nil
}

func allZero(b []byte) bool {
	var zeros [4096]byte
	for len(b) > 0 {
		n := min(len(b), len(zeros))
		if !bytes.Equal(b[:n], zeros[:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}
