package space

import (
	"fmt"
	"runtime"
	"sort"

	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
)

// Replay carries out a frame read back from the journal, as Begin, Apply and
// Publish did when it was written. The frame is not kept.
func (s *Space) Replay(f *journal.Frame) error {
	switch f.Kind {
	case journal.KindRows:
		return s.replayRows(f)
	case journal.KindForget, journal.KindRetention:
		gens, err := decodeGone(f.Payload)
		if err != nil {
			return fmt.Errorf("replay forget at generation %d: %w", f.FirstGeneration, err)
		}
		s.applyGone(gens, f.FirstGeneration, f.CommitTime)
		return nil
	case journal.KindQuarantine:
		gen, reason, err := decodeQuarantine(f.Payload)
		if err != nil {
			return fmt.Errorf("replay quarantine: %w", err)
		}
		if row, ok := s.rowAt(gen); ok {
			s.condemn(row, reason)
		}
		return nil
	}
	return fmt.Errorf("replay frame of kind %d: not a frame of a space", f.Kind)
}

func (s *Space) replayRows(f *journal.Frame) error {
	d, err := decodeRows(f.Payload)
	if err != nil {
		return fmt.Errorf("replay rows at generation %d: %w", f.FirstGeneration, err)
	}
	if len(d.rows) > 0 && f.FirstGeneration != s.assigned+1 {
		return fmt.Errorf("replay rows of space %q: frame starts at generation %d, %d is expected", s.id, f.FirstGeneration, s.assigned+1)
	}
	if int(f.Generations) != len(d.rows) {
		return fmt.Errorf("replay rows of space %q: frame has %d rows and claims %d generations", s.id, len(d.rows), f.Generations)
	}
	set := s.Settings()
	if len(d.rows) > 0 && set.Dimension != 0 && set.Dimension != d.dim {
		return fmt.Errorf("replay rows of space %q: frame has dimension %d, the space %d", s.id, d.dim, set.Dimension)
	}
	b := &Batch{Frame: f, dim: d.dim, metric: set.Metric, first: s.rows, rows: d.rows, commit: f.CommitTime, runs: f.Runs}
	for i := range b.rows {
		r := &b.rows[i]
		r.gen = f.FirstGeneration + memory.Generation(i)
		r.record = append([]byte(nil), r.record...)
		o, err := memory.ParseRecord(r.record)
		if err != nil {
			return fmt.Errorf("replay row at generation %d of space %q: %w", r.gen, s.id, err)
		}
		o.Vector = r.vector
		r.obs, r.id, r.digest = o, o.ID, o.Digest
		if !o.ExpiresAt.IsZero() {
			r.expires = o.ExpiresAt.UnixNano()
		}
	}
	s.Begin(b)
	for b.applied < len(b.rows) {
		// A row that panicked when it was new has its quarantine in a frame to
		// come, and must not keep the server from starting.
		if why := s.tryApply(b); why != "" {
			s.Quarantine(b, "applying it failed: "+why)
		}
	}
	s.Publish(b)
	return nil
}

// tryApply applies the rows of a batch; if one panics, it is the next, and the
// answer is what it panicked with.
func (s *Space) tryApply(b *Batch) (why string) {
	defer func() {
		if p := recover(); p != nil {
			why = fmt.Sprint("panic: ", p)
		}
	}()
	s.Apply(b, len(b.rows))
	return ""
}

// rowAt finds the row that has a generation.
func (s *Space) rowAt(g memory.Generation) (uint32, bool) {
	v := s.table.Load().view.Load()
	defer runtime.KeepAlive(v)
	i := sort.Search(s.rows, func(i int) bool { return v.gen(uint32(i)) >= g })
	if i < s.rows && v.gen(uint32(i)) == g {
		return uint32(i), true
	}
	return 0, false
}
