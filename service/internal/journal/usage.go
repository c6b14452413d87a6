package journal

import (
	"fmt"
	"time"

	"github.com/engram-stream/engram/service/internal/vfs"
)

// Level says how the free disk space stands to the watermarks.
type Level uint8

// The levels, the worse the greater.
const (
	LevelNormal  Level = iota
	LevelWarning       // below a warning mark
	LevelRefuse        // below a refusal mark, or no room for another segment: admit nothing
)

// String gives the level as metrics and logs print it.
func (l Level) String() string {
	switch l {
	case LevelNormal:
		return "normal"
	case LevelWarning:
		return "warning"
	case LevelRefuse:
		return "refuse"
	}
	return fmt.Sprintf("level(%d)", uint8(l))
}

// Usage tells how full a journal is and how it does.
type Usage struct {
	Bytes    int64 // of segments that hold frames, up to the durable end
	Segments int   // that hold frames, or will next
	Spare    bool  // the segment after these is ready

	First   Position // of the oldest segment that is kept
	Last    Position // of the newest durable frame; 0 without frames
	Durable Position // the durable end: where the next frame goes, or a little before

	WaitingFrames int
	WaitingBytes  int64

	DiskFree  uint64 // bytes
	DiskTotal uint64 // bytes
	Level     Level

	Syncs      uint64 // of commits
	SyncErrors uint64
	LastCommit time.Duration // write and sync of the newest commit
}

// Usage implements [Journal]. It asks the file system for its free space; when
// there was no room for the next segment and there is now, it has it made.
func (s *Segments) Usage() Usage {
	space, spaceErr := s.opts.FS.Space(s.opts.Dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.stats
	u.Segments = len(s.segments)
	u.Spare = s.spare != nil
	u.First = s.segments[0].first
	u.Durable = s.durable
	u.Bytes = int64(s.durable - u.First)
	u.WaitingFrames, u.WaitingBytes = len(s.queue), s.queuedBytes
	u.DiskFree, u.DiskTotal = space.Free, space.Total
	if spaceErr == nil {
		u.Level = s.opts.Watermarks.level(space)
	}
	if s.spare == nil && s.spareErr != nil {
		u.Level = LevelRefuse
		if spaceErr != nil || space.Free >= uint64(s.opts.SegmentBytes) {
			s.requestSpare()
		}
	}
	return u
}

func (w Watermarks) level(space vfs.Space) Level {
	below := func(bytes int64, percent float64) bool {
		return bytes > 0 && space.Free < uint64(bytes) ||
			percent > 0 && float64(space.Free) < float64(space.Total)*percent/100
	}
	switch {
	case below(w.RefuseFreeBytes, w.RefuseFreePercent):
		return LevelRefuse
	case below(w.WarnFreeBytes, w.WarnFreePercent):
		return LevelWarning
	}
	return LevelNormal
}
