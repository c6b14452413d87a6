package engine

import (
	"sync/atomic"
	"time"

	"github.com/engram-stream/engram/service/internal/admission"
)

// IndexPolicy is how the rows of a space that wait for its graph are dealt with.
// None of them waits for being seen: all are scanned until the graph has them.
type IndexPolicy int32

// The policies, from the rule to the exception.
const (
	// IndexFull inserts with the breadth the space is configured for.
	IndexFull IndexPolicy = iota
	// IndexNarrow inserts with narrowBreadth: half the work for each row, and
	// links that find a little less.
	IndexNarrow
	// IndexPaused inserts nothing: what processors there are go to what comes in.
	IndexPaused
)

// IndexPolicyCount is how many policies there are.
const IndexPolicyCount = int(IndexPaused) + 1

func (p IndexPolicy) String() string {
	return [IndexPolicyCount]string{"full", "narrow", "paused"}[p]
}

const (
	// narrowBreadth takes half the time of the default of 100; queries take a
	// quarter to a third longer for the same recall. See package hnsw.
	narrowBreadth = 48
	// narrowFrom is how many rows have to wait for construction to be narrowed,
	// and wideBelow how few for it to be as configured again. To scan the first
	// number by code takes about a millisecond.
	narrowFrom = 131_072
	wideBelow  = 32_768
	// pauseMost is how many rows may wait where nothing is inserted. With more,
	// recalls would take more from the stream than the graph does; and it pauses
	// again only once half of them are gone.
	pauseMost = 1 << 20
	// comingFor is how long after its last row a space still counts as one that
	// rows come to. When they have stopped coming there is time to do it well.
	comingFor = time.Second
)

// next is the policy that follows on p with so many rows waiting, more coming or
// not, under the pressure of all that comes in.
func (p IndexPolicy) next(waiting int, coming bool, pressure admission.Level) IndexPolicy {
	switch {
	case waiting <= wideBelow:
		return IndexFull
	case p == IndexPaused && pressure > admission.Normal && waiting < pauseMost:
		return IndexPaused
	case !coming, p == IndexFull && waiting < narrowFrom:
		return IndexFull
	case p != IndexPaused && pressure >= admission.Critical && waiting >= narrowFrom && waiting < pauseMost/2:
		return IndexPaused
	}
	return IndexNarrow
}

// breadth is what the graph's inserts search with; 0 is as configured.
func (p IndexPolicy) breadth() int {
	if p == IndexFull {
		return 0
	}
	return narrowBreadth
}

// piece is how many rows an index worker moves at once. Few of them when it
// lags: rows that came meanwhile get their codes only between two pieces.
func (p IndexPolicy) piece() int {
	switch p {
	case IndexFull:
		return indexPiece
	case IndexNarrow:
		return indexPiece / 2
	}
	return 0
}

// lag is the policy in force for a space. The index worker that has the space in
// hand changes it, anybody may read it.
type lag struct {
	policy atomic.Int32
	// The worker's own:
	since time.Time // when the policy was last looked at
	rows  int       // how many were published then
	came  time.Time // when these had become more
}

// coming reports whether rows came to the space lately, of which so many are
// published now. The first look counts as if none had.
func (l *lag) coming(rows int, now time.Time) bool {
	if rows != l.rows {
		if l.rows != 0 {
			l.came = now
		}
		l.rows = rows
	}
	return now.Sub(l.came) < comingFor
}

func (l *lag) Policy() IndexPolicy { return IndexPolicy(l.policy.Load()) }

// indexTime is how long spaces were indexed other than as configured, in all,
// by policy.
type indexTime [IndexPolicyCount]atomic.Int64 // nanoseconds

// judge settles how a space is to be indexed from here on. Its index worker
// calls it between two pieces.
func (e *Engine) judge(sl *slot) IndexPolicy {
	now, before := e.opts.Clock.Now(), sl.lag.Policy()
	sn := sl.space.Current()
	waiting := sn.Unindexed()
	after := before.next(waiting, sl.lag.coming(sn.Rows(), now), e.monitor.Level())
	if before != IndexFull {
		e.indexTime[before].Add(int64(now.Sub(sl.lag.since)))
	}
	sl.lag.since = now
	if after != before {
		sl.lag.policy.Store(int32(after))
		e.opts.Log.Info("index policy changed", "space", sl.space.ID(), "from", before.String(), "to", after.String(), "rows_waiting", waiting)
	}
	sl.space.Narrow(after.breadth())
	return after
}

// resumeIndexing lets index workers look at the spaces again that were paused:
// nobody else would, once nothing comes in.
func (e *Engine) resumeIndexing() {
	for _, sl := range e.registry.all() {
		if sl.lag.Policy() == IndexPaused {
			e.wantIndex(sl)
		}
	}
}
