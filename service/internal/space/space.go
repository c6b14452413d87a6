package space

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/engram-stream/engram/service/internal/clock"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// Space is one memory space. See the package comment for who may call what.
type Space struct {
	id          memory.SpaceID
	incarnation memory.Incarnation
	base        memory.Generation // before the first of its own
	clock       clock.Clock

	// Awoken, if not nil, is called when the space was asleep and is awake: its
	// owner sets it before anybody knows the space. It must neither block nor
	// wake a space.
	Awoken func()
	// FoundDamaged, if not nil, is called once when waking fails, under the same
	// rules.
	FoundDamaged func(error)

	snapshot   atomic.Pointer[Snapshot]
	publishing sync.Mutex
	deleted    chan struct{}

	mu       sync.RWMutex
	settings Settings
	marks    map[memory.SessionID]Mark

	// The writer's own, behind the lease.
	assigned   memory.Generation // last generation given to a frame
	lastCommit int64
	rows       int // rows given to frames, applied or not

	// table is nil while the space is asleep; waking makes that one at a time.
	table    atomic.Pointer[table]
	leftover atomic.Bool // dead rows have bytes in the checkpoint
	waking   sync.Mutex
	bed      bed
	damage   atomic.Pointer[fault.Error] // why it cannot be woken
	lastUsed atomic.Int64                // Unix nanoseconds

	live         atomic.Int64 // observations alive
	bytes        atomic.Int64 // memory of rows, dead ones included
	quarantined  atomic.Int64
	oldest       atomic.Int64 // commit time of the oldest live row, when the space was last captured
	memory       measured
	waitingSince atomic.Int64 // Unix ns at which the oldest unpublished row became durable; 0 if none
}

// Mark is how far a session has been applied here.
type Mark struct {
	Session     memory.SessionID
	Incarnation memory.Incarnation
	Durable     memory.Sequence
	Generation  memory.Generation  // at which all of it is visible
	LastUsed    int64              // Unix nanoseconds
	Rejections  []memory.Rejection // the newest; see maxKeptRejections
	Rejected    uint64             // all of them
	// Note is what the owner of the sessions wants to have kept with it.
	Note []byte
}

// maxKeptRejections bounds the rejections a mark repeats on resume.
const maxKeptRejections = 64

// New makes an empty space.
func New(set Settings, c clock.Clock) *Space {
	s := &Space{
		id: set.ID, incarnation: set.Incarnation, base: set.Base, clock: c, settings: set,
		deleted:    make(chan struct{}),
		marks:      map[memory.SessionID]Mark{},
		assigned:   set.Base,
		lastCommit: set.CreatedAt.UnixNano(),
	}
	t := newTable()
	s.table.Store(t)
	s.snapshot.Store(&Snapshot{
		Generation: s.assigned, CommittedAt: s.lastCommit, table: t, view: t.view.Load(), dim: set.Dimension, next: make(chan struct{}),
	})
	s.used()
	return s
}

// ID returns the space's name.
func (s *Space) ID() memory.SpaceID { return s.id }

// Incarnation returns which life of the name this is.
func (s *Space) Incarnation() memory.Incarnation { return s.incarnation }

// Settings returns a copy of the settings in force.
func (s *Space) Settings() Settings {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.settings
}

// Dimension is the length of the space's vectors, 0 while it is not fixed.
func (s *Space) Dimension() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.settings.Dimension
}

// Update puts changed settings in force, once they are durable. Dimension,
// metric and embedder change only as long as the space has no dimension.
func (s *Space) Update(set Settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings.Quotas, s.settings.Retention, s.settings.IndexThreshold = set.Quotas, set.Retention, set.IndexThreshold
	if s.settings.Dimension == 0 {
		s.settings.Dimension, s.settings.Metric, s.settings.Embedder = set.Dimension, set.Metric, set.Embedder
	}
}

// MarkDeleted ends the space: whoever waits on it is told.
func (s *Space) MarkDeleted() {
	select {
	case <-s.deleted:
	default:
		close(s.deleted)
	}
}

// Deleted is closed when the space was deleted.
func (s *Space) Deleted() <-chan struct{} { return s.deleted }

func (s *Space) now() time.Time { return s.clock.Now() }

// Stats is a space in numbers.
type Stats struct {
	Generation  memory.Generation
	Live        int64 // observations that recall can find, expired ones included
	Rows        int   // rows published, dead ones included
	Unindexed   int   // rows that are scanned
	Bytes       int64 // memory
	Quarantined int
	// Staleness is the age of the oldest durable row that is not visible.
	Staleness time.Duration
	// ScannedBy names the codes that scans go by, "7-bit" or "1-bit", and
	// CodeRecall is the recall@10 they had when they were last checked; empty
	// where the vectors themselves are compared.
	ScannedBy  string
	CodeRecall float64
	// CodeWidth is how many of the nearest by code are compared by their vectors,
	// and CodeTrial how many rows there were when the codes were last checked.
	CodeWidth, CodeTrial int
	CodesWithheld        bool // since memory is short, see SpareCodes
	Awake                bool // its rows are in memory or mapped
	Sound                bool // its checkpoint can be read
}

// Dead is how many of the rows no recall finds any more: deleted, replaced or
// quarantined.
func (s Stats) Dead() int { return max(0, s.Rows-int(s.Live)) }

// Stats returns the numbers of now.
func (s *Space) Stats() Stats {
	snap := s.Current()
	st := Stats{
		Generation: snap.Generation, Live: s.live.Load(), Rows: snap.rows, Unindexed: snap.Unindexed(),
		Bytes: s.bytes.Load(), Quarantined: int(s.quarantined.Load()), Awake: snap.table != nil, Sound: s.damage.Load() == nil, Staleness: s.staleness(),
	}
	if snap.graph != nil {
		st.Bytes += int64(snap.graph.Bytes())
	}
	if t := snap.table; t != nil {
		st.CodesWithheld = t.frugal.Load()
		for kind := range codeKinds {
			c := t.codes[kind].Load()
			st.Bytes += c.bytes()
			if c != nil {
				st.ScannedBy, st.CodeRecall, st.CodeWidth, st.CodeTrial = c.kind.String(), c.recall, c.width, c.fitted
			}
		}
	}
	return st
}

func (s *Space) staleness() time.Duration {
	if at := s.waitingSince.Load(); at != 0 {
		return max(0, s.now().Sub(time.Unix(0, at)))
	}
	return 0
}

// CheckQuota fails with QUOTA_EXCEEDED when n more observations of b bytes
// would be more than the space may hold, and with MEMORY_PRESSURE when there is
// no memory for them.
func (s *Space) CheckQuota(n int, b int64) *fault.Error {
	q := s.Settings().Quotas
	if live := s.live.Load(); q.MaxObservations > 0 && live+int64(n) > q.MaxObservations {
		return fault.Retry(fault.ResourceExhausted, fault.QuotaExceeded, 5*time.Second,
			"space %q holds %d observations and %d more were sent; its quota is %d", s.id, live, n, q.MaxObservations)
	}
	if size := s.bytes.Load(); q.MaxBytes > 0 && size+b > q.MaxBytes {
		return fault.Retry(fault.ResourceExhausted, fault.QuotaExceeded, 5*time.Second,
			"space %q takes %d bytes and %d more were sent; its quota is %d", s.id, size, b, q.MaxBytes)
	}
	return s.checkMemory(b)
}

// Marks returns how far each session was applied.
func (s *Space) Marks() []Mark {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]Mark, 0, len(s.marks))
	for _, m := range s.marks {
		out = append(out, m)
	}
	return out
}

// DropMark forgets a session whose retention is over.
func (s *Space) DropMark(id memory.SessionID) {
	s.mu.Lock()
	delete(s.marks, id)
	s.mu.Unlock()
}

// SpareCodes drops the codes of a space that is awake and makes no others, or
// lets them be made again, and returns their memory in bytes. It is slower to
// recall from meanwhile, and loses nothing.
func (s *Space) SpareCodes(on bool) (freed int64) {
	t := s.table.Load()
	if t == nil || t.frugal.Load() == on {
		return 0
	}
	return t.spare(on)
}

// SparesCodes reports whether a space that is awake makes no codes, as
// [Space.SpareCodes] has said.
func (s *Space) SparesCodes() bool {
	t := s.table.Load()
	return t != nil && t.frugal.Load()
}
