package space

import (
	"fmt"
	"runtime"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/vector"
)

// newRow is one row on its way into the table.
type newRow struct {
	id      memory.ObservationID
	digest  [16]byte
	gen     memory.Generation
	record  []byte
	vector  []float32
	reason  string // quarantined before the journal; why
	expires int64
	obs     *memory.Observation // for the filter index; parsed from record on replay
}

// Batch is a set of entries whose fate is settled: what Prepare makes, the
// journal keeps, and Apply and Publish carry out. Its owner is whoever holds
// the space.
type Batch struct {
	// Frame is what the journal has to keep; nil when there is nothing to.
	Frame *journal.Frame
	// Outcomes has one element per entry.
	Outcomes []memory.Outcome

	dim     int
	metric  memory.Metric
	rows    []newRow
	rowOf   []int // entry → index in rows, −1 for none
	first   int   // table row of rows[0]
	applied int   // rows filled
	shown   int   // rows published
	marked  bool  // the session marks have advanced
	commit  int64
	runs    []journal.Run
	buffer  *[]byte // what Frame.Payload lies in, until Release
}

// Generation is the generation at which the whole batch is visible.
func (b *Batch) Generation() memory.Generation {
	if n := len(b.rows); n > 0 {
		return b.rows[n-1].gen
	}
	return 0
}

// Rows is how many rows the batch makes.
func (b *Batch) Rows() int { return len(b.rows) }

// RowsThrough is how many rows entries 0..entry make together: what to hand to
// Apply to carry out that entry and all before it.
func (b *Batch) RowsThrough(entry int) int {
	for i := entry; i >= 0; i-- {
		if b.rowOf[i] >= 0 {
			return b.rowOf[i] + 1
		}
	}
	return 0
}

// HasRow reports whether the entry makes a row.
func (b *Batch) HasRow(entry int) bool { return b.rowOf[entry] >= 0 }

// Prepare settles ids, duplicates and generations of the entries, in order,
// and makes the frame that keeps them. It changes nothing: if the frame is not
// kept, the batch is dropped and it never was. quarantine gives, for entries
// that must not be indexed, the reason; nil is none.
//
// Entries, their observations and vectors are the caller's again once the batch
// is published, to be used for others: rows keep their records, which are copies.
func (s *Space) Prepare(entries []memory.Entry, quarantine func(i int) string) *Batch {
	s.used()
	set := s.Settings()
	b := &Batch{
		Outcomes: make([]memory.Outcome, len(entries)), rowOf: make([]int, len(entries)),
		dim: set.Dimension, metric: set.Metric, first: s.rows,
		commit: max(s.lastCommit, s.now().UnixNano()),
	}
	size := 0
	for i := range entries {
		if o := entries[i].Observation; o != nil {
			size += 96 + len(o.Content) + len(o.ID)
		}
	}
	arena := make([]byte, 0, size)
	b.rows = make([]newRow, 0, len(entries))
	fresh := make(map[memory.ObservationID]int, len(entries)) // ids of this batch → index in rows
	for i := range entries {
		e := &entries[i]
		b.rowOf[i] = -1
		if gen, ok := s.decidedBefore(e); ok {
			b.Outcomes[i] = memory.Outcome{Duplicate: true, Generation: gen}
			continue
		}
		var reason string
		if quarantine != nil {
			reason = quarantine(i)
		}
		b.Outcomes[i] = s.settle(b, e, reason, fresh, &arena)
		b.rowOf[i] = -1
		if out := &b.Outcomes[i]; out.Rejection == nil && !out.Duplicate {
			b.rowOf[i] = len(b.rows) - 1
		}
		b.addToRun(e, b.Outcomes[i].Rejection)
	}
	if len(b.rows) == 0 && len(b.runs) == 0 {
		return b
	}
	b.Frame = &journal.Frame{
		Kind: journal.KindRows, Space: s.id, Incarnation: s.incarnation,
		FirstGeneration: s.assigned + 1, Generations: uint32(len(b.rows)),
		CommitTime: b.commit, Runs: b.runs,
		Payload: b.payload(),
	}
	return b
}

// decidedBefore reports whether the entry's number is at or below its
// session's mark: a retry of what is kept already.
func (s *Space) decidedBefore(e *memory.Entry) (memory.Generation, bool) {
	if e.Session == "" {
		return 0, false
	}
	s.mu.RLock()
	m, ok := s.marks[e.Session]
	s.mu.RUnlock()
	return m.Generation, ok && m.Incarnation == e.Incarnation && e.Sequence <= m.Durable
}

// settle decides one entry and, if it makes a row, adds it to the batch.
func (s *Space) settle(b *Batch, e *memory.Entry, quarantine string, fresh map[memory.ObservationID]int, arena *[]byte) memory.Outcome {
	reject := func(id memory.ObservationID, reason fault.Reason, format string, args ...any) memory.Outcome {
		return memory.Outcome{ID: id, Rejection: &memory.Rejection{
			Sequence: e.Sequence, ObservationID: id, Reason: string(reason), Message: fmt.Sprintf(format, args...),
		}}
	}
	if e.Rejection != nil {
		return memory.Outcome{ID: e.Rejection.ObservationID, Rejection: e.Rejection}
	}
	o := e.Observation
	if b.dim == 0 {
		b.dim = len(o.Vector) // the first observation fixes it
	}
	if len(o.Vector) != b.dim {
		return reject(o.ID, fault.InvalidDimension, "embedding has %d components; the dimension of space %q is %d", len(o.Vector), s.id, b.dim)
	}
	row := newRow{id: o.ID, digest: o.Digest, vector: o.Vector, reason: quarantine, obs: o, gen: s.assigned + memory.Generation(len(b.rows)) + 1}
	if row.id == "" {
		row.id = memory.DerivedID(e.Incarnation, e.Sequence)
	}
	if gen, digest, ok := s.holder(row.id, b, fresh); ok && !o.Replace {
		if digest == o.Digest {
			return memory.Outcome{ID: row.id, Generation: gen, Duplicate: true}
		}
		return reject(row.id, fault.IDConflict, "id %q is taken in space %q by an observation with other content; set replace to overwrite it", row.id, s.id)
	} else if ok && digest == o.Digest {
		return memory.Outcome{ID: row.id, Generation: gen, Duplicate: true} // replaced by itself: a retry
	}
	start := len(*arena)
	enc, err := memory.AppendRecordAs(*arena, row.id, o)
	if err != nil {
		return reject(row.id, fault.InvalidField, "metadata cannot be kept as JSON: %v", err)
	}
	*arena = enc
	row.record = enc[start:len(enc):len(enc)]
	if !o.ExpiresAt.IsZero() {
		row.expires = o.ExpiresAt.UnixNano()
	}
	fresh[row.id] = len(b.rows)
	b.rows = append(b.rows, row)
	return memory.Outcome{ID: row.id, Generation: row.gen, Quarantined: quarantine != ""}
}

// holder finds what an id stands for now: in this batch, or in the table.
func (s *Space) holder(id memory.ObservationID, b *Batch, fresh map[memory.ObservationID]int) (memory.Generation, [16]byte, bool) {
	if i, ok := fresh[id]; ok {
		return b.rows[i].gen, b.rows[i].digest, true
	}
	t := s.table.Load()
	if row, ok := t.rowOf(id); ok { // only the writer writes
		v := t.view.Load()
		_, digest := memory.RecordID(v.record(row))
		defer runtime.KeepAlive(v)
		return v.gen(row), digest, true
	}
	return 0, [16]byte{}, false
}

// addToRun lets the frame remember that the session's number is consumed.
func (b *Batch) addToRun(e *memory.Entry, rejection *memory.Rejection) {
	if e.Session == "" {
		return
	}
	n := len(b.runs)
	if n == 0 || b.runs[n-1].Session != e.Session || b.runs[n-1].Incarnation != e.Incarnation ||
		b.runs[n-1].First+memory.Sequence(b.runs[n-1].Count) != e.Sequence {
		b.runs = append(b.runs, journal.Run{Session: e.Session, Incarnation: e.Incarnation, First: e.Sequence})
		n++
	}
	run := &b.runs[n-1]
	run.Count++
	if rejection != nil {
		run.Rejected = append(run.Rejected, journal.RejectedNumber{
			Sequence: e.Sequence, ObservationID: rejection.ObservationID, Reason: rejection.Reason, Message: rejection.Message,
		})
	}
}

// invNorm is what the metric wants to know of a row beside its components.
func (s *Space) invNorm(metric memory.Metric, v []float32) float32 {
	if metric == memory.MetricCosine {
		return vector.InverseNorm(v)
	}
	return 1
}
