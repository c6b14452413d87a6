package space

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/clock"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/hnsw"
	"github.com/engram-stream/engram/service/internal/memory"
)

// bed is the checkpoint that a space sleeps on. The writer changes it, and
// waking reads it: only asleep, when the writer has no business with it.
type bed struct {
	store    *checkpoint.Store
	manifest checkpoint.Ref
}

// Restore makes the space of a checkpoint, asleep, and tells the position of
// the last frame that is in it.
func Restore(store *checkpoint.Store, e checkpoint.Entry, c clock.Clock) (s *Space, through uint64, err error) {
	m, err := readManifest(store, e.Manifest)
	if err != nil {
		return nil, 0, err
	}
	if m.Settings.ID != e.Space || m.Settings.Incarnation != e.Incarnation {
		return nil, 0, fmt.Errorf("the manifest of space %q is that of space %q", e.Space, m.Settings.ID)
	}
	s = New(m.Settings, c)
	s.bed = bed{store: store, manifest: e.Manifest}
	s.assigned, s.lastCommit, s.rows = m.Generation, m.LastCommit, m.Rows
	s.live.Store(m.Live)
	s.bytes.Store(m.Bytes)
	s.oldest.Store(m.Oldest)
	s.quarantined.Store(int64(len(m.Quarantined)))
	s.leftover.Store(m.Deaths.Length > 0)
	for _, mark := range m.Marks {
		s.marks[mark.Session] = mark
	}
	sn := &Snapshot{
		Generation: m.Generation, CommittedAt: m.CommittedAt, rows: m.Rows, indexed: m.GraphRows, dim: m.Settings.Dimension,
		sleepingGraph: m.Graph.Length > 0 || m.Rows >= max(1, m.Settings.IndexThreshold), next: make(chan struct{}),
	}
	for _, e := range m.Events {
		sn.events = append(sn.events, event{e.Generation, e.At})
	}
	s.table.Store(nil)
	s.snapshot.Store(sn)
	return s, m.Through, nil
}

// Damaged makes a space of which only the name is left: it exists, and refuses
// everything.
func Damaged(set Settings, c clock.Clock, cause error) *Space {
	s := New(set, c)
	s.damage.Store(damaged(set.ID, cause))
	s.table.Store(nil)
	s.publish(false, func(sn *Snapshot) { sn.table, sn.view = nil, nil })
	return s
}

func damaged(id memory.SpaceID, cause error) *fault.Error {
	return fault.New(fault.DataLoss, fault.SpaceDamaged, "the checkpoint of space %q is damaged and nothing of it is served: %v", id, cause).Because(cause)
}

func readManifest(store *checkpoint.Store, ref checkpoint.Ref) (*manifest, error) {
	f, err := store.File(ref.File)
	if err != nil {
		return nil, err
	}
	b, err := f.Section(ref)
	if err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(f)
	return decodeManifest(b)
}

// Leftover reports whether rows that are dead may have bytes in the checkpoint.
func (s *Space) Leftover() bool { return s.leftover.Load() }

// used notes that somebody wants the space.
func (s *Space) used() { s.lastUsed.Store(s.now().UnixNano()) }

// IdleSince is when the space was last written to or read.
func (s *Space) IdleSince() time.Time { return time.Unix(0, s.lastUsed.Load()) }

// Wake loads the rows of a space that is asleep. It fails with SPACE_DAMAGED
// when its checkpoint cannot be read, now and from then on.
func (s *Space) Wake() error {
	_, err := s.awake(s.Current())
	return err
}

// awake returns the snapshot if the space was awake when it was published, and
// otherwise the newest one, of a space that is awake.
func (s *Space) awake(sn *Snapshot) (*Snapshot, error) {
	if sn.table != nil {
		return sn, nil
	}
	s.waking.Lock()
	defer s.waking.Unlock()
	if f := s.damage.Load(); f != nil {
		return nil, f
	}
	if s.table.Load() == nil {
		if err := s.load(); err != nil {
			s.damage.Store(damaged(s.id, err))
			if s.FoundDamaged != nil {
				s.FoundDamaged(err)
			}
			return nil, s.damage.Load()
		}
		if s.Awoken != nil {
			s.Awoken()
		}
	}
	return s.Current(), nil
}

// load reads the checkpoint. waking is held.
func (s *Space) load() error {
	m, err := readManifest(s.bed.store, s.bed.manifest)
	if err != nil {
		return err
	}
	t, err := s.open(m)
	if err != nil {
		return err
	}
	s.table.Store(t)
	s.publish(false, func(sn *Snapshot) {
		sn.table, sn.view, sn.graph, sn.indexed = t, t.view.Load(), t.graph.Load(), m.GraphRows
	})
	return nil
}

// open makes the table of a manifest.
func (s *Space) open(m *manifest) (*table, error) {
	store, t := s.bed.store, newTable()
	set := m.Settings
	v := view{}
	for at, c := range m.Chunks {
		cols, err := t.chunkFrom(store, c.Ref, chunkRows, set.Dimension)
		if err != nil {
			return nil, fmt.Errorf("rows from %d on: %w", at<<chunkShift, err)
		}
		cols.deaths = make([]atomic.Uint64, chunkRows)
		v = v.withChunk(cols)
	}
	if rest := m.Rows & chunkMask; rest > 0 {
		cols, err := t.chunkFrom(store, m.Last, rest, set.Dimension)
		if err != nil {
			return nil, fmt.Errorf("the last %d rows: %w", rest, err)
		}
		v = v.withChunk(cols.room(len(m.Chunks) == 0, set.Dimension))
	}
	t.view.Store(&v)
	if m.Quarantined != nil {
		t.quarantined = m.Quarantined
	}
	if err := s.openDeaths(t, &v, m); err != nil {
		return nil, err
	}
	ids, err := section(store, m.IDs)
	if err != nil {
		return nil, fmt.Errorf("ids: %w", err)
	}
	t.known, err = openIDTable(ids.bytes, m.Rows)
	t.known.owner = ids.file // from here on it keeps the bytes mapped
	if err != nil {
		return nil, err
	}
	index, err := section(store, m.Index)
	if err != nil {
		return nil, fmt.Errorf("filter index: %w", err)
	}
	if len(index.bytes) > 0 {
		if t.index, err = filter.LoadIndex(index.bytes); err != nil {
			return nil, fmt.Errorf("filter index: %w", err)
		}
		runtime.KeepAlive(index.file)
	}
	t.stored = stored{chunks: m.Chunks, graph: m.Graph, graphRows: m.GraphRows}
	return t, s.openGraph(t, m)
}

func (s *Space) openGraph(t *table, m *manifest) error {
	if m.Graph.Length == 0 {
		s.graphFor(t, m.Rows) // it may have been about to get one
		return nil
	}
	f, err := s.bed.store.File(m.Graph.File)
	if err != nil {
		return fmt.Errorf("graph: %w", err)
	}
	image, err := f.Private(m.Graph)
	if err != nil {
		return fmt.Errorf("graph: %w", err)
	}
	g, err := hnsw.LoadImage(m.Settings.graphConfig(), scorer{t, m.Settings.Metric, m.Settings.Dimension}, image.Bytes(), image)
	if err != nil {
		return fmt.Errorf("graph: %w", err)
	}
	if n := g.Bound(); n > uint64(m.Rows) {
		return fmt.Errorf("graph: it names row %d of %d", n-1, m.Rows)
	}
	t.graph.Store(g)
	return nil
}

// openDeaths marks the rows that are dead, and rebuilds what ids stood for
// before they were replaced.
func (s *Space) openDeaths(t *table, v *view, m *manifest) error {
	sec, err := section(s.bed.store, m.Deaths)
	if err != nil {
		return fmt.Errorf("deaths: %w", err)
	}
	defer runtime.KeepAlive(sec.file)
	list := numbers[uint64](sec.bytes)
	if len(list)%2 != 0 {
		return errors.New("deaths: an odd number of numbers")
	}
	for i := 0; i < len(list); i += 2 {
		row, death := list[i], list[i+1]
		if row >= uint64(m.Rows) || row > math.MaxUint32 || death == 0 {
			return fmt.Errorf("deaths: row %d of %d at generation %d", row, m.Rows, death)
		}
		v.death(uint32(row)).Store(death)
		if death == gone {
			continue
		}
		if id, _ := memory.RecordID(v.record(uint32(row))); id != "" {
			t.replaced[id] = append(t.replaced[id], uint32(row))
		}
	}
	return nil
}

// sectionBytes are valid as long as the file is held.
type sectionBytes struct {
	bytes []byte
	file  *checkpoint.File
}

func section(store *checkpoint.Store, r checkpoint.Ref) (sectionBytes, error) {
	if r.Length == 0 {
		return sectionBytes{}, nil
	}
	f, err := store.File(r.File)
	if err != nil {
		return sectionBytes{}, err
	}
	b, err := f.Section(r)
	return sectionBytes{b, f}, err
}

// chunkFrom maps a chunk of n rows; it has no deaths.
func (t *table) chunkFrom(store *checkpoint.Store, r checkpoint.Ref, n, dim int) (columns, error) {
	sec, err := section(store, r)
	if err != nil {
		return columns{}, err
	}
	c, err := readChunk(sec.bytes, n, dim)
	c.owner = sec.file
	if c.records.erased() {
		// A walk through the graph that began before its rows left it may
		// still ask for them.
		if t.zeros == nil {
			t.zeros = make([]float32, chunkRows*max(1, dim))
		}
		c.vectors, c.invNorms, c.expires = t.zeros[:n*dim], t.zeros[:n], make([]int64, n)
	}
	return c, err
}

// room copies a chunk that is not full to where it can be filled.
func (c columns) room(first bool, dim int) columns {
	size := chunkRows
	if first {
		for size = firstRows; size < len(c.gens); {
			size *= 2
		}
	}
	out := newColumns(size, dim)
	out.copyFrom(c)         // all but the owner
	for i := range c.gens { // the copies must not alias the file
		out.records.each[i] = append([]byte(nil), out.records.each[i]...)
	}
	runtime.KeepAlive(c.owner)
	return out
}

// Sleep drops the rows of a space that is as its checkpoint has it, and reports
// whether it did. Who reads it now goes on reading. The caller holds the space
// and knows that no frame came after the checkpoint.
func (s *Space) Sleep() bool {
	t := s.table.Load()
	if t == nil || s.bed.store == nil || s.WantsIndexing() {
		return false
	}
	t.lockIndexing()
	defer t.indexing.Unlock()
	s.waking.Lock()
	defer s.waking.Unlock()
	s.table.Store(nil)
	s.publish(false, func(sn *Snapshot) {
		sn.sleepingGraph = sn.graph != nil
		sn.table, sn.view, sn.graph = nil, nil, nil
	})
	return true
}
