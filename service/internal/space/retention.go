package space

import (
	"runtime"
	"time"

	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
)

// RetentionDue reports whether the space's retention may have something to do:
// what is asleep is not woken to find out.
func (s *Space) RetentionDue(now time.Time) bool {
	r := s.Settings().Retention
	if r == (Retention{}) {
		return false
	}
	if s.Current().table != nil {
		return true
	}
	return r.MaxObservations > 0 && s.live.Load() > r.MaxObservations ||
		r.MaxBytes > 0 && s.bytes.Load() > r.MaxBytes ||
		r.MaxAge > 0 && s.live.Load() > 0 && s.oldest.Load() < now.Add(-r.MaxAge).UnixNano()
}

// PrepareRetention resolves what the space's retention says is to go now: the
// oldest, until all that is left is young enough and not too much. See
// [Space.PrepareForget].
func (s *Space) PrepareRetention() (*journal.Frame, []memory.Generation) {
	set := s.Settings()
	t := s.table.Load()
	v := t.view.Load()
	defer runtime.KeepAlive(v)
	rows := uint32(s.Current().rows)
	excess := int64(0)
	if n := set.Retention.MaxObservations; n > 0 {
		excess = max(0, s.live.Load()-n)
	}
	tooOld := int64(0)
	if age := set.Retention.MaxAge; age > 0 {
		tooOld = s.now().Add(-age).UnixNano()
	}
	over := int64(0)
	if limit := set.Retention.MaxBytes; limit > 0 {
		over = -limit
		for row := range rows {
			if t.holds(v, row) {
				over += rowBytes(set.Dimension, v.record(row))
			}
		}
	}
	if excess == 0 && tooOld == 0 && over <= 0 {
		return nil, nil
	}
	var gens []memory.Generation
	for row := range rows {
		if int64(len(gens)) >= excess && over <= 0 && v.commitTime(row) >= tooOld {
			break
		}
		if t.holds(v, row) {
			gens = append(gens, v.gen(row))
			over -= rowBytes(set.Dimension, v.record(row))
		}
	}
	return s.goneFrame(journal.KindRetention, gens)
}

// rowBytes is what a row takes in memory.
func rowBytes(dim int, record []byte) int64 { return int64(4*dim + len(record) + rowOverhead) }
