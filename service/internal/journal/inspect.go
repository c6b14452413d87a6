package journal

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/engram-stream/engram/service/internal/vfs"
)

// Inspection is what [Inspect] saw of a log.
type Inspection struct {
	ID       uint64 // of the log; 0 when no header tells it
	Segments int
	Bytes    int64    // of the files, reserved room included
	First    Position // of the oldest segment
	End      Position // behind the last frame that can be read
	Frames   int      // that can be read
	Records  int      // the numbers these decide
	Clean    bool     // it was closed in order
	// Damage is what was on stable storage once and is not any more.
	Damage []Damage
	// Unfinished is what a crash may leave and [Open] mends: nobody was ever
	// told that it is durable. Nothing in it was read.
	Unfinished []*CorruptError
}

// Damage is one damaged place. What was at the positions From to Until cannot
// be read; Until is where the next frame begins that can be, or the end of the
// segment, unused room included.
type Damage struct {
	*CorruptError
	From, Until Position
}

func (in *Inspection) damaged(e *CorruptError, from, until Position) {
	in.Damage = append(in.Damage, Damage{e, from, until})
}

// Inspect reads all of the log in a directory and changes nothing, takes no
// lock and stops at no damage. fn, which may be nil, is called with every frame
// that can be read, in order; the payload is valid only during the call. An
// error says that the directory cannot be read, or is fn's.
//
// A log that somebody has open may look damaged where it is being written.
func Inspect(fsys vfs.FS, dir string, fn func(Position, *Frame) error) (*Inspection, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, fmt.Errorf("inspect journal: %w", err)
	}
	in := &Inspection{}
	var all []*inspected
	for _, name := range names { // sorted: the digits are of one length
		first, ok := parseSegmentName(name)
		if !ok {
			continue
		}
		s := &inspected{segment: segment{first: first, name: segmentName(dir, first), end: headerSize}}
		if err := s.open(fsys); err != nil {
			return nil, errors.Join(fmt.Errorf("inspect journal: %w", err), closeInspected(all))
		}
		all = append(all, s)
	}
	err = in.segments(all, fn)
	if err = errors.Join(err, closeInspected(all)); err != nil {
		return nil, fmt.Errorf("inspect journal: %w", err)
	}
	return in, nil
}

// inspected is a segment that is being looked at.
type inspected struct {
	segment
	size   int64
	header header
	bad    error // what is wrong with the header
}

// open opens the file for reading and reads its header.
func (s *inspected) open(fsys vfs.FS) (err error) {
	if s.file, err = fsys.OpenRead(s.name); err != nil {
		return err
	}
	if s.size, err = s.file.Size(); err != nil {
		return errors.Join(err, s.closeFile())
	}
	var b [headerSize]byte
	n, err := readFull(s.file, b[:], 0)
	if err != nil {
		return errors.Join(err, s.closeFile())
	}
	s.header, s.bad = parseHeader(b[:n])
	if s.bad == nil && s.header.first != s.first {
		s.bad = fmt.Errorf("the header says position %d", s.header.first)
	}
	if s.capacity = s.header.capacity; s.capacity == 0 {
		s.capacity = max(s.size, headerSize) // as good a guess as any
	}
	return nil
}

func closeInspected(all []*inspected) error {
	var errs []error
	for _, s := range all {
		errs = append(errs, s.closeFile())
	}
	return errors.Join(errs...)
}

// segments looks at the headers, then at the frames.
func (in *Inspection) segments(all []*inspected, fn func(Position, *Frame) error) error {
	for _, s := range all {
		if s.bad == nil && in.ID == 0 {
			in.ID = s.header.logID
		}
	}
	used := -1 // the newest that was written to
	for i, s := range all {
		in.Segments++
		in.Bytes += s.size
		if i == 0 {
			in.First, in.End = s.first, s.first+headerSize
		} else if before := all[i-1]; before.bad == nil && before.past() != s.first {
			in.damaged(&CorruptError{File: segmentName(path.Dir(s.name), before.past()), Why: fmt.Sprintf("the segment is missing: the next one is %s", s.name)}, before.past(), s.first)
		}
		if s.bad == nil && s.header.logID != in.ID {
			in.damaged(&CorruptError{File: s.name, Why: "the segment is of another log"}, s.first, s.past())
			continue
		}
		if err := in.frames(s, fn); err != nil {
			return err
		}
		if s.found.used() {
			used = i
		}
		if s.bad != nil {
			// A power cut can leave the newest without a header, and with
			// nothing behind it.
			e := &CorruptError{File: s.name, Why: s.bad.Error()}
			if errors.Is(s.bad, errHeader) && i == len(all)-1 && !s.found.used() && !s.found.dirty {
				in.Unfinished = append(in.Unfinished, e)
			} else {
				until := s.first + headerSize
				if in.ID == 0 {
					until = s.past() // frames are bound to the log's id
				}
				in.damaged(e, s.first, until)
			}
		}
	}
	in.order(all, used)
	return nil
}

// order checks that the segments were used one after the other, each to its
// seal.
func (in *Inspection) order(all []*inspected, used int) {
	for i, s := range all[:max(0, used)] {
		if !s.found.sealed && !in.broken(s.name) {
			in.Unfinished = slices.DeleteFunc(in.Unfinished, func(e *CorruptError) bool { return e.File == s.name })
			in.damaged(&CorruptError{File: s.name, Offset: s.found.end, Why: fmt.Sprintf("the segment ends without a seal, but %s was in use after it", all[i+1].name)}, s.first+Position(s.found.end), s.past())
		}
	}
	if used < 0 {
		return
	}
	last := all[used]
	if last.found.sealed && used == len(all)-1 {
		in.damaged(&CorruptError{File: segmentName(path.Dir(last.name), last.past()), Why: "the segment is missing: the one before it was sealed, and the next one is made first"}, last.past(), last.past())
	}
	in.Clean = last.found.clean
}

// broken reports whether damage to a file is known already.
func (in *Inspection) broken(name string) bool {
	for _, d := range in.Damage {
		if d.File == name {
			return true
		}
	}
	return false
}

// frames reads one segment. After damage it goes on with the next frame that
// can be read.
func (in *Inspection) frames(s *inspected, fn func(Position, *Frame) error) error {
	t := &s.found
	t.end = headerSize
	r := reader{file: s.file, name: s.name, logID: in.ID, first: s.first, off: headerSize, limit: min(s.size, s.capacity), payloads: true}
	for {
		it, err := r.next()
		var damage *CorruptError
		switch {
		case errors.As(err, &damage):
			more, err := in.skip(s, &r, damage)
			if err != nil || !more {
				return err
			}
			continue
		case err != nil:
			return err
		}
		t.end, t.clean = r.off, false
		in.End = s.first + Position(r.off)
		switch it.frame.Kind {
		case kindSeal:
			t.sealed = true
			return in.behindSeal(s, &r)
		case kindClean:
			t.clean = true
			continue
		}
		t.frames++
		in.Frames++
		in.Records += it.frame.Records()
		if fn != nil {
			if err := fn(it.pos, it.frame); err != nil {
				return err
			}
		}
	}
}

// skip decides what it means that no frame is at r.off, and moves r to the next
// one that can be read, if there is one.
func (in *Inspection) skip(s *inspected, r *reader, damage *CorruptError) (more bool, err error) {
	t := &s.found
	t.dirty = false // of what follows an earlier damage
	switch err := s.scanRest(r, t, damage); {
	case err == nil:
		if t.dirty && s.bad == nil {
			in.Unfinished = append(in.Unfinished, &CorruptError{File: s.name, Offset: t.end, Why: "bytes follow the last frame that no finished commit wrote: " + damage.Why})
		}
		return false, nil
	case !errors.Is(err, damage):
		return false, err
	}
	next, err := r.search(r.off + 1)
	if err != nil {
		return false, err
	}
	in.damaged(damage, s.first+Position(r.off), s.first+Position(next))
	more = next < r.limit
	r.off, t.end, t.stray = next, next, true // it was written to
	return more, nil
}

// behindSeal looks for bytes that are not zero behind a seal.
func (in *Inspection) behindSeal(s *inspected, r *reader) error {
	const chunk = 1 << 20
	for off := r.off; off < r.limit; off += chunk {
		b, err := r.bytes(off, min(chunk, r.limit-off))
		if err != nil {
			return err
		}
		if !allZero(b) {
			at := off + int64(slices.IndexFunc(b, func(c byte) bool { return c != 0 }))
			in.Unfinished = append(in.Unfinished, &CorruptError{File: s.name, Offset: at, Why: "bytes that are not zero lie behind the segment's seal, where nothing is ever read"})
			return nil
		}
	}
	return nil
}

// search finds the next intact frame from off on, or the limit.
func (r *reader) search(off int64) (int64, error) {
	const chunk = 1 << 20
	for ; off < r.limit; off += chunk {
		b, err := r.bytes(off, min(chunk+prefixSize, r.limit-off))
		if err != nil {
			return 0, err
		}
		var found []int64
		for at := 0; ; at++ {
			i := bytes.Index(b[at:], frameMagic)
			if i < 0 {
				break
			}
			at += i
			if _, ok := parsePrefix(b[at:], r.logID, r.first+Position(off)+Position(at)); ok && at < chunk {
				found = append(found, off+int64(at))
			}
		}
		// Asking for a frame moves the window: b is not used any more.
		for _, at := range found {
			if ok, err := r.intact(at); err != nil || ok {
				return at, err
			}
		}
	}
	return r.limit, nil
}
