package space

import (
	"context"
	"time"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/hnsw"
	"github.com/engram-stream/engram/service/internal/memory"
)

// Snapshot is a published state of a space: what a recall pins. It is
// immutable; the next one replaces it.
type Snapshot struct {
	Generation    memory.Generation
	CommittedAt   int64  // Unix nanoseconds
	rows          int    // rows published
	indexed       int    // rows, from the first, that the graph holds
	table         *table // nil while the space is asleep, and with it view and graph
	view          *view
	graph         *hnsw.Graph
	sleepingGraph bool // the checkpoint has a graph
	dim           int
	// events are the generations that have no row (Forget), with their
	// commit times, oldest first; as many as the history window needs.
	events []event
	// next is closed when a newer snapshot is published.
	next chan struct{}
}

type event struct {
	gen memory.Generation
	at  int64
}

// Mode says how a recall chooses its generation.
type Mode uint8

// The consistency modes of the contract.
const (
	Latest  Mode = iota // everything visible now
	AtLeast             // waits until Generation is visible
	At                  // exactly Generation
	AsOf                // the last generation committed at or before Time
)

// Consistency is which state of the space to answer from.
type Consistency struct {
	Mode       Mode
	Generation memory.Generation
	Time       time.Time
}

// Current returns the newest snapshot.
func (s *Space) Current() *Snapshot { return s.snapshot.Load() }

// Pin returns the snapshot that c asks for. It fails with DEADLINE or CANCELED
// while waiting, GENERATION_AHEAD, GENERATION_EXPIRED or SPACE_DELETED.
func (s *Space) Pin(ctx context.Context, c Consistency) (*Snapshot, error) {
	s.used()
	snap, err := s.awake(s.Current())
	if err != nil {
		return nil, err
	}
	switch c.Mode {
	case AtLeast:
		for snap.Generation < c.Generation {
			select {
			case <-snap.next:
				snap = s.Current()
			case <-s.deleted:
				return nil, fault.New(fault.NotFound, fault.SpaceDeleted, "space %q was deleted while generation %d was waited for", s.id, c.Generation)
			case <-ctx.Done():
				return nil, fault.Of(ctx.Err())
			}
		}
		return s.awake(snap)
	case At:
		if c.Generation > snap.Generation {
			return nil, fault.New(fault.OutOfRange, fault.GenerationAhead,
				"generation %d is not reached; space %q is at %d", c.Generation, s.id, snap.Generation)
		}
		return s.older(snap, c.Generation)
	case AsOf:
		return s.older(snap, max(s.base, snap.generationAsOf(c.Time.UnixNano())))
	}
	return snap, nil
}

// generationAsOf is the last generation committed at or before t.
func (sn *Snapshot) generationAsOf(t int64) memory.Generation {
	if t >= sn.CommittedAt {
		return sn.Generation
	}
	var g memory.Generation
	if n := sn.view.rowsCommittedBy(sn.rows, t); n > 0 {
		g = sn.view.gen(uint32(n - 1))
	}
	for i := len(sn.events) - 1; i >= 0; i-- {
		if sn.events[i].at <= t {
			return max(g, sn.events[i].gen)
		}
	}
	return g
}

// older is snap as it was at generation g, if the history window still has it.
func (s *Space) older(snap *Snapshot, g memory.Generation) (*Snapshot, error) {
	if g == snap.Generation {
		return snap, nil
	}
	if g < s.base {
		return nil, fault.New(fault.NotFound, fault.GenerationExpired,
			"generation %d is of an earlier space %q, which was deleted; this one begins at %d", g, s.id, s.base)
	}
	rows := snap.view.rowsThrough(snap.rows, g)
	// g was the newest generation until the next one was committed.
	superseded := snap.CommittedAt
	if rows < snap.rows {
		superseded = min(superseded, snap.view.commitTime(uint32(rows)))
	}
	at := int64(0)
	if rows > 0 {
		at = snap.view.commitTime(uint32(rows - 1))
	}
	for _, e := range snap.events {
		if e.gen > g {
			superseded = min(superseded, e.at)
			break
		}
		at = max(at, e.at)
	}
	if window := s.Settings().History; s.now().UnixNano()-superseded > int64(window) {
		return nil, fault.New(fault.NotFound, fault.GenerationExpired,
			"generation %d was superseded more than %v ago, which is the history window of space %q", g, window, s.id)
	}
	old := *snap
	old.Generation, old.CommittedAt, old.rows = g, at, rows
	old.indexed = min(snap.indexed, rows)
	return &old, nil
}

// aimsAtGraph reports whether the rows are to be in a graph.
func (sn *Snapshot) aimsAtGraph() bool { return sn.graph != nil || sn.table == nil && sn.sleepingGraph }

// Unindexed is how many published rows the graph does not hold.
func (sn *Snapshot) Unindexed() int { return sn.rows - sn.indexed }

// Next is closed when a newer snapshot is published.
func (sn *Snapshot) Next() <-chan struct{} { return sn.next }

// Rows is how many rows are published, dead ones included.
func (sn *Snapshot) Rows() int { return sn.rows }

// publish swaps in a snapshot made from the current one by change, and wakes
// whoever waits. Writer and index worker both come here.
func (s *Space) publish(wake bool, change func(*Snapshot)) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	old := s.snapshot.Load()
	snap := *old
	change(&snap)
	if wake {
		snap.next = make(chan struct{})
	}
	s.snapshot.Store(&snap)
	if wake {
		close(old.next)
	}
}
