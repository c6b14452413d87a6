package journal

import (
	"errors"
	"fmt"
	"math"
	"path"
)

// Create makes an empty log with this id that begins at a position: what a
// restored backup goes on with, so that the positions in it stay true. The log
// is durable when it returns, and is then opened with [Open].
//
// It returns [ErrExists] when there is a segment in the directory, also when it
// is only what an interrupted Create has left.
func Create(o Options, id uint64, start Position) (err error) {
	if err := o.setDefaults(); err != nil {
		return err
	}
	if start > math.MaxInt64 {
		return fmt.Errorf("create journal: start is %d, the limit is %d", start, int64(math.MaxInt64))
	}
	if err := o.FS.MkdirAll(o.Dir); err != nil {
		return fmt.Errorf("create journal: %w", err)
	}
	lock, err := o.FS.Lock(path.Join(o.Dir, lockName))
	if err != nil {
		return fmt.Errorf("create journal: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	names, err := o.FS.List(o.Dir)
	if err != nil {
		return fmt.Errorf("create journal: %w", err)
	}
	for _, name := range names {
		if _, ok := parseSegmentName(name); ok {
			return fmt.Errorf("create journal: %w: %s", ErrExists, path.Join(o.Dir, name))
		}
	}
	g, err := createSegment(&o, id, start)
	if err != nil {
		return full(err)
	}
	return g.closeFile()
}
