package engine

import (
	"context"
	"runtime/metrics"
	"slices"
	"sort"
	"sync/atomic"
	"time"

	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/queue"
	"github.com/engram-stream/engram/service/internal/session"
	"github.com/engram-stream/engram/service/internal/space"
	"github.com/engram-stream/engram/service/internal/telemetry"
	"github.com/engram-stream/engram/service/internal/worker"
)

// Totals are counts since the start.
type Totals struct {
	Observations, Rejections, Refusals, Recalls uint64
}

// totals are the counters behind Totals.
type totals struct {
	observations, rejections, refusals, recalls atomic.Uint64
}

// Status is the engine in numbers.
type Status struct {
	State     State
	Failure   string
	Started   time.Time
	Spaces    int
	Sessions  int // attached
	Queue     queue.Stats
	Workers   []worker.Stats
	Journal   journal.Usage
	Disk      journal.Level // refusing, too, while something admitted waits for room
	Pressure  float64
	Totals    Totals
	Live      int64
	Dead      int // rows that no recall finds any more
	Unindexed int
	Policies  [IndexPolicyCount]PolicyUse
	Memory    uint64 // bytes from the system, files not included
	MemoryUse MemoryUse
	// Replay is how far reading the journal back has come, in bytes.
	ReplayPosition, ReplayTotal uint64
	Checkpoint                  CheckpointStatus
}

// CheckpointStatus is how the checkpoints are.
type CheckpointStatus struct {
	Number    uint64    // of the catalog in force; 0 until there is one
	Created   time.Time // when it was written
	Position  uint64    // from where a start would read the journal
	TailBytes int64     // and how much of it
	Asleep    int       // spaces the rows of which are on disk alone
	Failure   string    // why the last round failed; empty if it did not
	Damage    []string  // what was found damaged on disk
}

// Status returns the numbers of now. It visits every space.
func (e *Engine) Status() Status {
	_, attached := e.sessions.Count()
	st := Status{
		State: e.State(), Started: e.started, Spaces: e.registry.count(), Sessions: attached,
		Queue: e.queue.Stats(), Workers: e.pool.Stats(), Journal: e.journal.Usage(), Pressure: e.monitor.Pressure(),
		Totals: Totals{
			Observations: e.totals.observations.Load(), Rejections: e.totals.rejections.Load(),
			Refusals: e.totals.refusals.Load(), Recalls: e.totals.recalls.Load(),
		},
		Memory: processMemory(), MemoryUse: e.memoryUse(), Checkpoint: e.checkpointStatus(),
		ReplayPosition: e.replay.position.Load(), ReplayTotal: e.replay.total.Load(),
	}
	if f := e.failure.Load(); f != nil {
		st.Failure = f.Message
	}
	st.Disk = e.room.diskLevel(st.Journal)
	for p := range st.Policies {
		st.Policies[p].InForce = e.policyTime(IndexPolicy(p))
	}
	for _, sl := range e.registry.all() {
		s := sl.space.Stats()
		st.Live += s.Live
		st.Dead += s.Dead()
		st.Unindexed += s.Unindexed
		st.Policies[sl.lag.Policy()].Spaces++
		if !s.Awake {
			st.Checkpoint.Asleep++
		}
	}
	return st
}

func (e *Engine) checkpointStatus() CheckpointStatus {
	st := CheckpointStatus{TailBytes: e.tailBytes()}
	if cat := e.store.Latest(); cat != nil {
		st.Number, st.Created, st.Position = cat.Number, cat.Created, cat.Position
	}
	c := &e.checkpoints
	c.mu.Lock()
	defer c.mu.Unlock()
	st.Failure, st.Damage = c.failure, slices.Clone(c.damage)
	return st
}

func processMemory() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64() + uint64(max(0, space.OffHeap()))
}

// CloseSession ends a session by an operator's wish, durably. While the journal
// is read back it is REPLAYING: the session may come with it.
func (e *Engine) CloseSession(ctx context.Context, id memory.SessionID) (session.Info, error) {
	if e.State() == Replaying {
		return session.Info{}, e.replay.unfinished()
	}
	s, err := e.sessions.Lookup(id)
	if err != nil {
		return session.Info{}, err
	}
	sl, err := e.registry.find(s.Space())
	if err != nil {
		return session.Info{}, err
	}
	info, err := e.sessions.Close(id)
	if err != nil {
		return info, err
	}
	return info, e.keepSession(ctx, sl, s)
}

// tally is the recorder the engine reports to: it counts for Status and passes
// everything on.
type tally struct {
	telemetry.Recorder
	totals *totals
}

func (t tally) Published(id string, batch []telemetry.Done) {
	n := uint64(0)
	for i := range batch {
		if !batch[i].Rejected && !batch[i].Duplicate {
			n++
		}
	}
	t.totals.observations.Add(n)
	t.Recorder.Published(id, batch)
}

func (t tally) Rejected(id string, reason string, n int) {
	t.totals.rejections.Add(uint64(n))
	t.Recorder.Rejected(id, reason, n)
}

func (t tally) Refused(id string, reason string, n int) {
	t.totals.refusals.Add(1)
	t.Recorder.Refused(id, reason, n)
}

func (t tally) Recalled(ctx context.Context, id string, took time.Duration, n int) {
	t.totals.recalls.Add(1)
	t.Recorder.Recalled(ctx, id, took, n)
}

// Reading is the engine as gauges show it.
func (e *Engine) Reading() telemetry.Reading {
	_, attached := e.sessions.Count()
	q, j := e.queue.Stats(), e.journal.Usage()
	r := telemetry.Reading{
		QueueBytes: q.Bytes(), ActiveSessions: attached, Pressure: e.monitor.Pressure(), PressureLevel: int(e.monitor.Level()),
		JournalBytes: j.Bytes, JournalFailed: e.failure.Load() != nil, DiskFree: j.DiskFree,
	}
	for l := range q.Lanes {
		r.QueueDepth[l], r.QueueCapacity[l], r.QueueReserved[l] = q.Lanes[l].Depth, q.Lanes[l].Capacity.Items, q.Lanes[l].Reserved
	}
	for _, w := range e.pool.Stats() {
		r.Utilization = append(r.Utilization, w.Utilization)
	}
	all := e.registry.all()
	sort.Slice(all, func(i, j int) bool { return all[i].space.ID() < all[j].space.ID() })
	r.SpaceCount = len(all)
	r.Memory = e.memoryReading()
	cp := e.checkpointStatus()
	r.CheckpointTail, r.CheckpointFailed, r.Damage = cp.TailBytes, cp.Failure != "", len(cp.Damage)
	if !cp.Created.IsZero() {
		r.CheckpointAge = max(0, e.opts.Clock.Now().Sub(cp.Created).Seconds())
	}
	for p := IndexNarrow; int(p) < IndexPolicyCount; p++ {
		r.IndexPolicyTime = append(r.IndexPolicyTime, telemetry.PolicyTime{Policy: p.String(), Seconds: e.policyTime(p).Seconds()})
	}
	for _, sl := range all {
		s := e.spaceStatus(sl.space, sl)
		if !s.Awake {
			r.SpacesAsleep++
		}
		r.Spaces = append(r.Spaces, telemetry.SpaceReading{
			ID: string(sl.space.ID()), Generation: uint64(s.Generation), Observations: s.Live, Unindexed: s.Unindexed, Bytes: s.Bytes, Staleness: s.Staleness.Seconds(),
			Memory:      telemetry.SpaceMemory{Anonymous: s.Memory.Total(), Codes: s.ScannedBy, CodeRecall: s.CodeRecall},
			IndexPolicy: int(s.Policy),
		})
	}
	return r
}
