package journal

import (
	"errors"
	"fmt"

	"github.com/engram-stream/engram/service/internal/vfs"
)

// recovered is the log as Open found it, mended where a crash had left
// something unfinished.
type recovered struct {
	logID    uint64
	segments []*segment // oldest first; the last is the active one, its file is open
	spare    *segment   // or nil
	last     Position   // of the newest frame; 0 without one
	start    Position   // where to begin when there are no segments
}

// recoverLog reads the directory. Without a log in it there are no segments in
// the result. When it reports damage, nothing on the disk was changed.
func recoverLog(opts *Options) (rec *recovered, err error) {
	names, err := opts.FS.List(opts.Dir)
	if err != nil {
		return nil, err
	}
	rec = &recovered{}
	defer func() {
		if err != nil {
			err = errors.Join(err, rec.close())
		}
	}()
	// The last file may be one that was being made when the power went. It is
	// made anew later, under the same name.
	var unfinished *segment
	for _, name := range names { // sorted: the digits are of one length
		first, ok := parseSegmentName(name)
		if !ok {
			continue
		}
		g := &segment{first: first, name: segmentName(opts.Dir, first), end: headerSize}
		if unfinished != nil {
			return rec, &CorruptError{File: unfinished.name, Why: errHeader.Error()}
		}
		h, err := openSegment(opts.FS, g)
		switch {
		case errors.Is(err, errHeader):
			unfinished = g
			continue
		case err != nil:
			return rec, err
		}
		if err := rec.add(g, h); err != nil {
			return rec, err
		}
	}
	if unfinished != nil {
		// Then nothing was ever written behind its header.
		if err := onlyHeader(opts.FS, unfinished); err != nil {
			return rec, err
		}
	}
	if len(rec.segments) == 0 {
		if unfinished != nil {
			rec.start = unfinished.first
		}
		return rec, nil
	}
	if err := rec.findActive(); err != nil {
		return rec, err
	}
	active := rec.segments[len(rec.segments)-1]
	if unfinished != nil {
		if rec.spare != nil || active.found.sealed {
			return rec, &CorruptError{File: unfinished.name, Why: errHeader.Error()}
		}
	}
	if active.found.sealed {
		return rec, &CorruptError{File: segmentName(opts.Dir, active.past()), Why: "the segment is missing"}
	}
	for _, g := range []*segment{active, rec.spare} {
		if g == nil {
			continue
		}
		if err := g.mend(); err != nil {
			return rec, fmt.Errorf("mend segment: %w", err)
		}
	}
	return rec, nil
}

// openSegment opens the file for writing and reads its header.
func openSegment(fsys vfs.FS, g *segment) (header, error) {
	f, err := fsys.OpenReadWrite(g.name)
	if err != nil {
		return header{}, err
	}
	var b [headerSize]byte
	n, err := readFull(f, b[:], 0)
	if err != nil {
		return header{}, errors.Join(fmt.Errorf("read segment: %w", err), f.Close())
	}
	h, err := parseHeader(b[:n])
	if err != nil {
		if !errors.Is(err, errHeader) {
			err = &CorruptError{File: g.name, Why: err.Error()}
		}
		return header{}, errors.Join(err, f.Close())
	}
	g.file = f
	return h, nil
}

// add appends a segment with a valid header, which has to follow the one
// before it without a gap. The files of older ones are closed: only the last
// three can matter.
func (rec *recovered) add(g *segment, h header) error {
	rec.segments = append(rec.segments, g)
	g.capacity = h.capacity
	n := len(rec.segments)
	if n == 1 {
		rec.logID = h.logID
	}
	switch {
	case h.first != g.first:
		return &CorruptError{File: g.name, Why: fmt.Sprintf("the header says position %d", h.first)}
	case h.logID != rec.logID:
		return &CorruptError{File: g.name, Why: "the segment is of another log"}
	case n > 1 && rec.segments[n-2].past() != g.first:
		return &CorruptError{File: segmentName("", rec.segments[n-2].past()), Why: "the segment is missing"}
	}
	if n > 3 {
		return rec.segments[n-4].closeFile()
	}
	return nil
}

// findActive finds the newest segment that was written to. What follows it is
// the spare, or, when it is sealed, the active one.
func (rec *recovered) findActive() error {
	n := len(rec.segments)
	k := n - 1
	var found tail
	for ; ; k-- {
		g := rec.segments[k]
		t, err := g.scan(rec.logID)
		if err != nil {
			return err
		}
		g.end, g.clean, g.found = t.end, t.clean, t
		if t.used() || k == 0 {
			found = t
			break
		}
		if n-k > 2 { // active and spare at most are empty
			return &CorruptError{File: rec.segments[k-1].name, Why: "later segments were in use, but hold nothing"}
		}
	}
	rec.last = found.last
	active := k
	if found.sealed && k+1 < n {
		active = k + 1
	}
	switch n - 1 - active {
	case 0:
	case 1:
		rec.spare = rec.segments[active+1]
	default:
		return &CorruptError{File: rec.segments[active].name, Offset: rec.segments[active].end, Why: "a later segment was in use, but this one has no seal"}
	}
	rec.segments = rec.segments[:active+1]
	for _, g := range rec.segments[:active] {
		if err := g.closeFile(); err != nil {
			return err
		}
	}
	return nil
}

// mend drops what an unfinished commit left, and reserves the room again. That
// there is no room is found out later, by the first commit.
func (g *segment) mend() error {
	if g.found.dirty {
		if err := g.cut(); err != nil {
			return err
		}
	}
	if err := g.reserve(); err != nil && !vfs.IsNoSpace(err) {
		return err
	}
	return nil
}

// onlyHeader wants everything behind the header to be zero.
func onlyHeader(fsys vfs.FS, g *segment) error {
	f, err := fsys.OpenRead(g.name)
	if err != nil {
		return err
	}
	err = func() error {
		b := make([]byte, 1<<20)
		for off := int64(headerSize); ; off += int64(len(b)) {
			n, err := readFull(f, b, off)
			if err != nil {
				return fmt.Errorf("read segment: %w", err)
			}
			if !allZero(b[:n]) {
				return &CorruptError{File: g.name, Why: errHeader.Error()}
			}
			if n < len(b) {
				return nil
			}
		}
	}()
	return errors.Join(err, f.Close())
}

func (g *segment) closeFile() error {
	if g == nil || g.file == nil {
		return nil
	}
	f := g.file
	g.file = nil
	return f.Close()
}

// close closes every file that is open.
func (rec *recovered) close() error {
	var errs []error
	for _, g := range append(rec.segments, rec.spare) {
		errs = append(errs, g.closeFile())
	}
	return errors.Join(errs...)
}
