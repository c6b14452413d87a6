package space

import (
	"fmt"

	"github.com/engram-stream/engram/service/internal/failpoint"
	"github.com/engram-stream/engram/service/internal/hnsw"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vector"
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
	s.view.Store(s.view.Load().grow(s.rows, b.dim))
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
	v := s.view.Load()
	copy(v.vec(row, b.dim), r.vector)
	s.fillColumns(b, i)
	if r.reason != "" {
		s.condemn(row, r.reason)
		return
	}
	s.index.Add(row, r.obs)
}

func (s *Space) fillColumns(b *Batch, i int) {
	r := &b.rows[i]
	row := uint32(b.first + i)
	v, c, at := s.view.Load(), row>>chunkShift, row&chunkMask
	v.invNorms[c][at] = s.invNorm(b.metric, r.vector)
	v.gens[c][at] = uint64(r.gen)
	v.committed[c][at] = b.commit
	v.expires[c][at] = r.expires
	v.records[c][at] = r.record
	s.bytes.Add(int64(4*b.dim + len(r.record) + rowOverhead))
}

// condemn takes a row out of every recall and remembers why.
func (s *Space) condemn(row uint32, reason string) {
	s.view.Load().death(row).Store(gone)
	s.mu.Lock()
	s.quarantined[row] = reason
	s.mu.Unlock()
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
	v := s.view.Load()
	s.mu.Lock()
	for i := b.shown; i < b.applied; i++ {
		row := uint32(b.first + i)
		if old, ok := s.ids[b.rows[i].id]; ok {
			v.death(old).CompareAndSwap(0, uint64(b.rows[i].gen))
			s.live.Add(-1)
			s.replaced[b.rows[i].id] = append(s.replaced[b.rows[i].id], old)
		}
		s.ids[b.rows[i].id] = row
		s.live.Add(1)
	}
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
			sn.Generation, sn.CommittedAt, sn.rows, sn.view, sn.dim = gen, b.commit, rows, v, b.dim
			sn.graph = s.graphFor(rows)
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

// OpenMark records that a session was opened here, or ended.
func (s *Space) OpenMark(id memory.SessionID, inc memory.Incarnation, at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := s.marks[id]; ok && m.Incarnation == inc {
		m.LastUsed = max(m.LastUsed, at)
		s.marks[id] = m
		return
	}
	s.marks[id] = Mark{Session: id, Incarnation: inc, LastUsed: at}
}

// graphFor returns the graph, making it once the space has enough rows to want
// one. The writer calls it.
func (s *Space) graphFor(rows int) *hnsw.Graph {
	if g := s.graph.Load(); g != nil {
		return g
	}
	set := s.Settings()
	if rows < max(1, set.IndexThreshold) {
		return nil
	}
	g := hnsw.New(hnsw.Config{M: set.M, EfConstruction: set.EfConstruction, Seed: uint64(set.Incarnation)}, scorer{s, set.Metric, set.Dimension})
	s.graph.Store(g)
	return g
}

// scorer is what the graph compares rows with. It always looks at the widest
// view, since the graph may be ahead of a reader's snapshot.
type scorer struct {
	space  *Space
	metric memory.Metric
	dim    int
}

func (c scorer) ScoreRows(q hnsw.Query, rows []uint32, out []float32) {
	v := c.space.view.Load()
	v.vectors.Score(c.metric, q, v.invNorms, rows, out)
}

func (c scorer) QueryOf(row uint32) hnsw.Query {
	v := c.space.view.Load()
	return vector.Query{Vector: v.vec(row, c.dim), InvNorm: v.invNorm(row)}
}
