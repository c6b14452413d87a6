package space

import (
	"fmt"

	"github.com/engram-stream/engram/service/internal/failpoint"
	"github.com/engram-stream/engram/service/internal/hnsw"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
)

// rowOverhead is the memory of a row's columns beside its vector and record.
const rowOverhead = 4 + 8 + 8 + 8 + 8 + 24 + 64

// Begin tells the space that the batch is durable: its numbers are given away
// and its rows have their places, filled or not.
func (s *Space) Begin(b *Batch) {
	if b.Frame == nil {
		return
	}
	s.mu.Lock()
	if s.settings.Dimension == 0 {
		s.settings.Dimension = b.dim
	}
	s.mu.Unlock()
	s.assigned += memory.Generation(len(b.rows))
	s.lastCommit = b.commit
	s.rows += len(b.rows)
	t := s.table.Load()
	t.view.Store(t.view.Load().grow(s.rows, b.dim))
	if len(b.rows) > 0 {
		s.waitingSince.CompareAndSwap(0, b.commit)
	}
}

// Apply fills the first through rows of a batch that has begun. Rows that are
// filled already are left alone, so it may be called again after a panic.
func (s *Space) Apply(b *Batch, through int) {
	for ; b.applied < through; b.applied++ {
		if err := failpoint.Hit(failpoint.SpaceApply); err != nil {
			panic(fmt.Sprintf("apply row: %v", err))
		}
		s.fill(b, b.applied)
	}
}

func (s *Space) fill(b *Batch, i int) {
	r := &b.rows[i]
	row := uint32(b.first + i)
	t := s.table.Load()
	copy(t.view.Load().vec(row, b.dim), r.vector)
	s.fillColumns(b, i)
	if r.reason != "" {
		s.condemn(row, r.reason)
		return
	}
	t.index.Add(row, r.obs)
}

func (s *Space) fillColumns(b *Batch, i int) {
	r := &b.rows[i]
	row := uint32(b.first + i)
	v, c, at := s.table.Load().view.Load(), row>>chunkShift, row&chunkMask
	v.invNorms[c][at] = s.invNorm(b.metric, r.vector)
	v.gens[c][at] = uint64(r.gen)
	v.committed[c][at] = b.commit
	v.expires[c][at] = r.expires
	v.records[c].each[at] = r.record
	s.bytes.Add(rowBytes(b.dim, r.record))
}

// condemn takes a row out of every recall and remembers why.
func (s *Space) condemn(row uint32, reason string) {
	if s.table.Load().condemn(row, reason) {
		s.quarantined.Add(1)
	}
}

// Quarantine gives the next row of the batch its place without indexing it:
// applying it failed again and again. It is kept, readable by id, and no
// recall returns it. The returned frame has to be journaled before it is
// published.
func (s *Space) Quarantine(b *Batch, reason string) *journal.Frame {
	r := &b.rows[b.applied]
	row := uint32(b.first + b.applied)
	s.fillColumns(b, b.applied)
	s.condemn(row, reason)
	b.applied++
	return &journal.Frame{
		Kind: journal.KindQuarantine, Space: s.id, Incarnation: s.incarnation,
		FirstGeneration: r.gen, CommitTime: b.commit, Payload: encodeQuarantine(r.gen, reason),
	}
}

// Publish shows the applied rows of the batch to recall: the generation
// advances to the last of them, and never beyond a row that is not filled.
// Once all rows are shown, the session marks advance too. It returns the
// generation that is visible now.
func (s *Space) Publish(b *Batch) memory.Generation {
	t := s.table.Load()
	v := t.view.Load()
	s.mu.Lock()
	t.mu.Lock()
	for i := b.shown; i < b.applied; i++ {
		row, id := uint32(b.first+i), b.rows[i].id
		if old, ok := t.rowOf(id); ok {
			v.death(old).CompareAndSwap(0, uint64(b.rows[i].gen))
			s.live.Add(-1)
			t.replaced[id] = append(t.replaced[id], old)
		}
		t.ids.put(id, row, func(before uint32) bool { return memory.RecordHasID(v.record(before), id) })
		s.live.Add(1)
	}
	t.mu.Unlock()
	if b.applied == len(b.rows) && !b.marked {
		b.marked = true // Publish comes again for entries that make no row
		for i := range b.runs {
			s.advanceMark(&b.runs[i], b)
		}
	}
	s.mu.Unlock()
	if b.applied > b.shown {
		rows, gen := b.first+b.applied, b.rows[b.applied-1].gen
		s.publish(true, func(sn *Snapshot) {
			sn.Generation, sn.CommittedAt, sn.rows, sn.dim = gen, b.commit, rows, b.dim
			sn.view, sn.graph = v, s.graphFor(t, rows)
			if sn.graph == nil {
				sn.indexed = 0
			}
		})
		b.shown = b.applied
		if rows == s.rows {
			s.waitingSince.Store(0)
		}
	}
	return s.Current().Generation
}

// advanceMark records that a run of a session's numbers is decided.
func (s *Space) advanceMark(run *journal.Run, b *Batch) {
	m := s.marks[run.Session]
	if m.Incarnation != run.Incarnation {
		m = Mark{Session: run.Session, Incarnation: run.Incarnation}
	}
	m.Durable = max(m.Durable, run.First+memory.Sequence(run.Count)-1)
	m.Generation = s.assigned
	m.LastUsed = b.commit
	m.Rejected += uint64(len(run.Rejected))
	for _, r := range run.Rejected {
		m.Rejections = append(m.Rejections, memory.Rejection{Sequence: r.Sequence, ObservationID: r.ObservationID, Reason: r.Reason, Message: r.Message})
	}
	if over := len(m.Rejections) - maxKeptRejections; over > 0 {
		m.Rejections = append([]memory.Rejection(nil), m.Rejections[over:]...)
	}
	s.marks[run.Session] = m
}

// OpenMark records that a session was opened here, or ended, and what its owner
// wants to have kept of it.
func (s *Space) OpenMark(id memory.SessionID, inc memory.Incarnation, at int64, note []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := s.marks[id]; ok && m.Incarnation == inc {
		m.LastUsed, m.Note = max(m.LastUsed, at), note
		s.marks[id] = m
		return
	}
	s.marks[id] = Mark{Session: id, Incarnation: inc, LastUsed: at, Note: note}
}

// graphFor returns the graph, making it once the space has enough rows to want
// one. The writer calls it.
func (s *Space) graphFor(t *table, rows int) *hnsw.Graph {
	if g := t.graph.Load(); g != nil {
		return g
	}
	set := s.Settings()
	if rows < max(1, set.IndexThreshold) {
		return nil
	}
	g := hnsw.New(set.graphConfig(), scorer{t, set.Metric, set.Dimension})
	t.graph.Store(g)
	return g
}

func (s Settings) graphConfig() hnsw.Config {
	return hnsw.Config{
		M: s.M, EfConstruction: s.EfConstruction, Seed: uint64(s.Incarnation),
		// Long rows are closer to most others than these to each other: without
		// it lists were a fifth full, and rows of a space with a mean not found.
		KeepPruned: s.Metric == memory.MetricDot,
	}
}
