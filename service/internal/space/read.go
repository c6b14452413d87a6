package space

import (
	"fmt"
	"runtime"
	"sort"

	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/memory"
)

// Stored is an observation as the space holds it.
type Stored struct {
	Observation *memory.Observation // with its vector
	Generation  memory.Generation
	CommittedAt int64
	Quarantine  string // why it is kept from recall; empty if it is not
}

// rowOf finds the row an id stands for in the snapshot. The table of ids may be
// ahead of it: an id that was replaced since stands for its earlier row.
func (sn *Snapshot) rowOf(id memory.ObservationID) (uint32, bool) {
	t := sn.table
	t.mu.RLock()
	defer t.mu.RUnlock()
	row, ok := t.rowOf(id)
	if !ok || int(row) < sn.rows {
		return row, ok
	}
	earlier := t.replaced[id]
	n := sort.Search(len(earlier), func(i int) bool { return int(earlier[i]) >= sn.rows })
	if n == 0 {
		return 0, false
	}
	return earlier[n-1], true
}

// observation reads a row back. Its vector is a copy: the table's bytes may be
// mapped, and are valid only as long as the snapshot is held.
func (sn *Snapshot) observation(row uint32) (*memory.Observation, error) {
	o, err := memory.ParseRecord(sn.view.record(row))
	if err != nil {
		return nil, fmt.Errorf("read row %d: %w", row, err)
	}
	o.Vector = append([]float32(nil), sn.view.vec(row, sn.dim)...)
	runtime.KeepAlive(sn)
	return o, nil
}

func (sn *Snapshot) stored(row uint32) (Stored, error) {
	o, err := sn.observation(row)
	if err != nil {
		return Stored{}, err
	}
	sn.table.mu.RLock()
	reason := sn.table.quarantined[row]
	sn.table.mu.RUnlock()
	return Stored{Observation: o, Generation: sn.view.gen(row), CommittedAt: sn.view.commitTime(row), Quarantine: reason}, nil
}

// Get reads observations by id at the newest generation. missing are the ids
// that stand for nothing there.
func (s *Space) Get(ids []memory.ObservationID) (found []Stored, missing []memory.ObservationID, sn *Snapshot, err error) {
	s.used()
	if sn, err = s.awake(s.Current()); err != nil {
		return nil, nil, sn, err
	}
	for _, id := range ids {
		row, ok := sn.rowOf(id)
		if !ok {
			missing = append(missing, id)
			continue
		}
		st, err := sn.stored(row)
		if err != nil {
			return nil, nil, sn, err
		}
		found = append(found, st)
	}
	return found, missing, sn, nil
}

// Page walks the observations of the snapshot with a generation above since,
// in generation order, and returns at most limit that match. through is where
// to go on; more is false when the walk reached the snapshot's end. It looks
// at no more than look rows, so that a selective filter cannot hold it up.
func (s *Space) Page(sn *Snapshot, since memory.Generation, pred *filter.Predicate, limit, look int) (page []Stored, through memory.Generation, more bool, err error) {
	s.used()
	if sn, err = s.awake(sn); err != nil {
		return nil, since, false, err
	}
	defer runtime.KeepAlive(sn)
	row := sn.view.rowsThrough(sn.rows, since)
	through = since
	for ; row < sn.rows && len(page) < limit && look > 0; row, look = row+1, look-1 {
		through = sn.view.gen(uint32(row))
		if !sn.view.alive(uint32(row), sn.Generation) {
			continue
		}
		st, err := sn.stored(uint32(row))
		if err != nil {
			return nil, since, false, err
		}
		if pred == nil || pred.Match(st.Observation) {
			page = append(page, st)
		}
	}
	return page, through, row < sn.rows, nil
}

// VectorOf copies the vector of an observation: the cue of a recall by
// example.
func (s *Space) VectorOf(id memory.ObservationID) ([]float32, bool) {
	sn, err := s.awake(s.Current())
	if err != nil {
		return nil, false
	}
	defer runtime.KeepAlive(sn)
	row, ok := sn.rowOf(id)
	if !ok {
		return nil, false
	}
	return append([]float32(nil), sn.view.vec(row, sn.dim)...), true
}
