package space

import (
	"sync/atomic"
	"time"

	"github.com/engram-stream/engram/service/internal/fault"
)

// Memory is the anonymous memory of a space in bytes: what the system cannot
// drop and read again from a file. It is an estimate, made from counts.
type Memory struct {
	Rows   int64 // columns and records of chunks that are not read from files
	IDs    int64 // what finds rows by id
	Codes  int64
	Graph  int64
	Filter int64
	Rest   int64 // session marks and the space itself
}

// Total is the sum.
func (m Memory) Total() int64 { return m.Rows + m.IDs + m.Codes + m.Graph + m.Filter + m.Rest }

// Add adds what another space takes.
func (m *Memory) Add(o Memory) {
	m.Rows += o.Rows
	m.IDs += o.IDs
	m.Codes += o.Codes
	m.Graph += o.Graph
	m.Filter += o.Filter
	m.Rest += o.Rest
}

// What things take beside their payload, about.
const (
	spaceBytes  = 2048
	markBytes   = 256
	idBytes     = 24 // an entry of a map of ids
	nameBytes   = 80 // one with a name
	columnBytes = 4 + 8 + 8 + 8 + 8 + 24
	deathBytes  = 8
)

// measured is what a space took when that was last counted.
type measured struct {
	last   atomic.Pointer[counted] // nil until it was
	filter atomic.Int64
	rows   atomic.Int64 // in the filter index at that time
	limit  atomic.Int64 // 0 is none
}

// counted is what a space took at one moment.
type counted struct {
	parts Memory
	bytes int64 // Space.bytes then
}

// Memory counts what the space takes now. It visits the rows that are not in
// files.
func (s *Space) Memory() (m Memory) {
	bytes := s.bytes.Load()
	s.mu.RLock()
	m.Rest = spaceBytes + markBytes*int64(len(s.marks))
	s.mu.RUnlock()
	if sn := s.Current(); sn.table != nil {
		sn.measure(&m)
		m.Filter = s.filterBytes(sn)
	}
	s.memory.last.Store(&counted{m, bytes})
	return m
}

func (sn *Snapshot) measure(m *Memory) {
	t, v := sn.table, sn.table.view.Load()
	for at, owner := range v.owners {
		room := int64(len(v.deaths[at]))
		m.Rows += room * deathBytes
		if inFile(owner) {
			continue
		}
		m.Rows += room * int64(4*sn.dim+columnBytes)
		for i := range uint32(max(0, min(int64(sn.rows-at<<chunkShift), room))) { // beyond, the writer is at work
			m.Rows += int64(len(v.records[at].at(i)))
		}
	}
	t.mu.RLock()
	m.IDs = idBytes*int64(t.ids.len()) + nameBytes*int64(len(t.replaced)+len(t.quarantined))
	if !inFile(t.known.owner) {
		m.IDs += 8 * int64(len(t.known.slots))
	}
	t.mu.RUnlock()
	for kind := range codeKinds {
		m.Codes += t.codes[kind].Load().bytes()
	}
	if sn.graph != nil {
		m.Graph = int64(sn.graph.Bytes())
	}
}

// filterBytes is the size of the filter index. It walks all of it, so it does
// so only when there are an eighth more rows than last time.
func (s *Space) filterBytes(sn *Snapshot) int64 {
	before := s.memory.rows.Load()
	if now := int64(sn.rows); now < before || now > before+before/8 {
		s.memory.filter.Store(sn.table.index.Bytes())
		s.memory.rows.Store(now)
	}
	return s.memory.filter.Load()
}

// LimitMemory bounds the memory of the space in bytes; 0 is no bound of its own.
// What would exceed it is refused by [Space.CheckQuota].
func (s *Space) LimitMemory(bytes int64) { s.memory.limit.Store(bytes) }

// MemoryNow estimates the memory of the space from what it was when it was
// counted and what came since. It costs nothing.
func (s *Space) MemoryNow() int64 { return s.MemoryParts().Total() }

// MemoryParts is [Space.MemoryNow] by what takes it: what came since are rows.
func (s *Space) MemoryParts() (m Memory) {
	now, before := s.bytes.Load(), int64(0)
	if c := s.memory.last.Load(); c != nil {
		m, before = c.parts, c.bytes
	}
	m.Rows += max(0, now-before)
	return m
}

// Vectors is how many of the published rows have their vectors in memory, and how
// many have them mapped from files. Of a space that is asleep, none has either.
func (s *Space) Vectors() (resident, mapped int) {
	sn := s.Current()
	if sn.table == nil {
		return 0, 0
	}
	for at, owner := range sn.table.view.Load().owners {
		n := min(chunkRows, max(0, sn.rows-at<<chunkShift))
		if inFile(owner) {
			mapped += n
		} else {
			resident += n
		}
	}
	return resident, mapped
}

// memoryRetry is when to come again: a checkpoint will have been made.
const memoryRetry = 2 * time.Second

func (s *Space) checkMemory(b int64) *fault.Error {
	limit := s.memory.limit.Load()
	if limit <= 0 {
		return nil
	}
	if now := s.MemoryNow(); now+b > limit {
		return fault.Retry(fault.ResourceExhausted, fault.MemoryPressure, memoryRetry,
			"space %q takes %d bytes of memory and %d more were sent; the limit of a space is %d", s.id, now, b, limit)
	}
	return nil
}

// Light reports whether the space is awake, and waking it again would cost next
// to nothing.
func (s *Space) Light() bool {
	sn := s.Current()
	return sn.table != nil && sn.graph == nil && sn.rows <= lightRows
}

// lightRows are read in well under a millisecond.
const lightRows = 1024
