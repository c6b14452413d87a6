package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sort"
)

// extent is a segment as a Read sees it.
type extent struct {
	name  string
	first Position
	limit int64 // where the durable part ends, in bytes into the file
	open  bool  // not sealed: it ends at limit
}

// Read implements [Journal]. Damage ends the journal.
func (s *Segments) Read(ctx context.Context, from Position, fn func(Position, *Frame) error) error {
	return s.read(ctx, from, true, fn)
}

// ReadHeaders implements [HeaderReader]. Damage ends the journal.
func (s *Segments) ReadHeaders(ctx context.Context, from Position, fn func(Position, *Frame) error) error {
	return s.read(ctx, from, false, fn)
}

func (s *Segments) read(ctx context.Context, from Position, payloads bool, fn func(Position, *Frame) error) error {
	extents, end, err := s.extents()
	if err != nil {
		return err
	}
	first := extents[0].first
	switch {
	case from == 0:
		from = first
	case from < first:
		return &TrimmedError{From: from, First: first}
	case from > end:
		return &PositionError{From: from, End: end}
	}
	// The last segment that begins at or before from.
	i := sort.Search(len(extents), func(i int) bool { return extents[i].first > from }) - 1
	for ; i < len(extents); i++ {
		x := extents[i]
		off := max(headerSize, int64(from)-int64(x.first))
		err := s.readSegment(ctx, x, off, payloads, fn)
		var damage *CorruptError
		if errors.As(err, &damage) && damage.Offset == off && off > headerSize {
			if wrong, walkErr := s.misplaced(x, off); walkErr == nil && wrong {
				err = &PositionError{From: from, End: end}
			}
		}
		if err != nil {
			return s.readFailed(err, x.first)
		}
		from = 0
	}
	return nil
}

// extents is what can be read now, and the durable end.
func (s *Segments) extents() ([]extent, Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return nil, 0, ErrClosed
	}
	list := make([]extent, len(s.segments))
	for i, g := range s.segments {
		list[i] = extent{name: g.name, first: g.first, limit: g.capacity}
	}
	last := &list[len(list)-1]
	last.open, last.limit = true, int64(s.durable-last.first)
	return list, s.durable, nil
}

// callbackError carries an error of fn through the reading, so that it is not
// taken for one of the journal's own.
type callbackError struct{ err error }

func (e callbackError) Error() string { return e.err.Error() }

func (s *Segments) readSegment(ctx context.Context, x extent, off int64, payloads bool, fn func(Position, *Frame) error) (err error) {
	if x.open && off >= x.limit {
		return nil
	}
	f, err := s.opts.FS.OpenRead(x.name)
	if err != nil {
		return fmt.Errorf("read segment: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := reader{file: f, name: x.name, logID: s.logID, first: x.first, off: off, limit: x.limit, payloads: payloads}
	for !x.open || r.off < x.limit {
		if err := ctx.Err(); err != nil {
			return callbackError{err}
		}
		it, err := r.next()
		if err != nil {
			return err
		}
		switch it.frame.Kind {
		case kindSeal:
			if x.open {
				return &CorruptError{File: x.name, Offset: r.off, Why: "a seal stands where frames were written"}
			}
			return nil
		case kindClean:
		default:
			if err := fn(it.pos, it.frame); err != nil {
				return callbackError{err}
			}
		}
	}
	return nil
}

// misplaced reports whether the frames that begin before off, followed from
// one to the next, pass over off: then no frame was ever there, and what the
// reading met is not damage. The work is bounded by the segment.
func (s *Segments) misplaced(x extent, off int64) (_ bool, err error) {
	f, err := s.opts.FS.OpenRead(x.name)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := reader{file: f, name: x.name, logID: s.logID, first: x.first, off: headerSize, limit: x.limit}
	for r.off < off {
		b, err := r.bytes(r.off, prefixSize)
		if err != nil {
			return false, err
		}
		p, ok := parsePrefix(b, r.logID, r.first+Position(r.off))
		if !ok {
			return false, nil
		}
		r.off += p.size()
	}
	return r.off > off, nil
}

// readFailed sorts out the end of a reading.
func (s *Segments) readFailed(err error, first Position) error {
	var call callbackError
	if errors.As(err, &call) {
		return call.err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if oldest := s.segments[0].first; errors.Is(err, fs.ErrNotExist) && first < oldest {
		return &TrimmedError{From: first, First: oldest}
	}
	var damage *CorruptError
	if errors.As(err, &damage) {
		_ = s.fail(damage)
		return damage
	}
	return err
}
