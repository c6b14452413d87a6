package space

import (
	"fmt"
	"runtime"

	"github.com/engram-stream/engram/service/internal/memory"
)

// Check verifies that a space that is awake hangs together: the graph's own
// invariants (see hnsw.Graph.Check), that it holds no row the space lacks, and
// that every id stands for a row that has it. The caller holds the space.
func (s *Space) Check() error {
	t := s.table.Load()
	if t == nil {
		return nil
	}
	t.indexing.Lock()
	defer t.indexing.Unlock()
	sn := s.Current()
	v := t.view.Load()
	defer runtime.KeepAlive(v)
	if g := t.graph.Load(); g != nil {
		if err := g.Check(); err != nil {
			return fmt.Errorf("check the graph of space %q: %w", s.id, err)
		}
		if n := g.Bound(); n > uint64(s.rows) {
			return fmt.Errorf("check space %q: the graph names row %d of %d", s.id, n-1, s.rows)
		}
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	live := int64(0)
	for row := range uint32(sn.rows) {
		if row > 0 && v.gen(row) <= v.gen(row-1) {
			return fmt.Errorf("check space %q: row %d has generation %d after %d", s.id, row, v.gen(row), v.gen(row-1))
		}
		if !t.holds(v, row) {
			continue
		}
		live++
		id, _ := memory.RecordID(v.record(row))
		if found, ok := t.rowOf(id); !ok || found != row {
			return fmt.Errorf("check space %q: id %q is held by row %d and stands for row %d (%v)", s.id, id, row, found, ok)
		}
	}
	if have := s.live.Load(); sn.rows == s.rows && have != live {
		return fmt.Errorf("check space %q: %d rows hold an id and %d are counted", s.id, live, have)
	}
	return nil
}
