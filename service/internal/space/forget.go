package space

import (
	"runtime"
	"slices"

	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
)

// maxEvents bounds how many row-less generations are remembered for
// consistency by time.
const maxEvents = 4096

// PrepareForget resolves ids and filter (either may be nil) to the rows that
// are to go, and makes the frame that keeps this. The frame is nil when there
// is nothing to forget. The caller holds the space from here to ApplyForget.
func (s *Space) PrepareForget(ids []memory.ObservationID, pred *filter.Predicate) (*journal.Frame, []memory.Generation) {
	t := s.table.Load()
	v := t.view.Load()
	var gens []memory.Generation
	for _, id := range ids {
		if row, ok := t.rowOf(id); ok {
			gens = append(gens, v.gen(row))
		}
	}
	if pred != nil {
		for row := range uint32(s.Current().rows) {
			if !t.holds(v, row) {
				continue
			}
			if o, err := memory.ParseRecord(v.record(row)); err == nil && pred.Match(o) {
				gens = append(gens, v.gen(row))
			}
		}
	}
	runtime.KeepAlive(v)
	return s.goneFrame(journal.KindForget, gens)
}

func (s *Space) goneFrame(kind journal.Kind, gens []memory.Generation) (*journal.Frame, []memory.Generation) {
	if len(gens) == 0 {
		return nil, nil
	}
	slices.Sort(gens)
	gens = slices.Compact(gens)
	return &journal.Frame{
		Kind: kind, Space: s.id, Incarnation: s.incarnation,
		FirstGeneration: s.assigned + 1, Generations: 1,
		CommitTime: max(s.lastCommit, s.now().UnixNano()), Payload: encodeGone(gens),
	}, gens
}

// ApplyForget carries out a durable frame of PrepareForget or
// PrepareRetention: the rows are gone from every recall, at every generation.
// It returns the generation at which they are.
func (s *Space) ApplyForget(f *journal.Frame, gens []memory.Generation) memory.Generation {
	s.applyGone(gens, f.FirstGeneration, f.CommitTime)
	return f.FirstGeneration
}

func (s *Space) applyGone(gens []memory.Generation, g memory.Generation, at int64) {
	s.assigned = g
	s.lastCommit = max(s.lastCommit, at)
	t := s.table.Load()
	v := t.view.Load()
	t.mu.Lock()
	for _, gone1 := range gens {
		row, ok := s.rowAt(gone1)
		if !ok {
			continue
		}
		id, _ := memory.RecordID(v.record(row))
		held, ok := t.rowOf(id)
		v.death(row).Store(gone)
		if ok && held == row {
			t.ids.remove(id, func(row uint32) bool { return memory.RecordHasID(v.record(row), id) })
			s.live.Add(-1)
			// What it had replaced would still be seen at earlier generations.
			for _, old := range t.replaced[id] {
				v.death(old).Store(gone)
				s.bytes.Add(-int64(len(v.record(old))))
			}
			delete(t.replaced, id)
		}
		if _, ok := t.quarantined[row]; ok {
			delete(t.quarantined, row)
			s.quarantined.Add(-1)
		}
		s.bytes.Add(-int64(len(v.record(row))))
	}
	t.mu.Unlock()
	runtime.KeepAlive(v)
	s.publish(true, func(sn *Snapshot) {
		sn.Generation, sn.CommittedAt = g, at
		events := sn.events
		if len(events) >= maxEvents {
			events = events[len(events)-maxEvents/2:]
		}
		sn.events = append(slices.Clip(events), event{g, at})
	})
}
