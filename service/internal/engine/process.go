package engine

import (
	"context"
	"slices"
	"time"

	"github.com/engram-stream/engram/service/internal/failpoint"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/queue"
	"github.com/engram-stream/engram/service/internal/space"
	"github.com/engram-stream/engram/service/internal/telemetry"
)

// pendingBatch is a batch whose frame is durable and whose rows are on their
// way to being visible. It outlives a panic of the worker that carried it.
type pendingBatch struct {
	batch *space.Batch
	items []*queue.Item
	// quarantine gives, for items that were condemned before the journal, the
	// reason; nil is none.
	quarantine func(int) string
	durable    bool // told DURABLE
	shown      int  // items told VISIBLE
}

// indexOf finds an item of the batch.
func (p *pendingBatch) indexOf(it *queue.Item) int {
	for i := range p.items {
		if p.items[i] == it {
			return i
		}
	}
	return -1
}

// processor carries batches from the queue to visibility: what the worker pool
// calls. All its methods run under the lease of the space.
type processor struct{ *Engine }

// Process journals, applies and publishes a batch. After a panic it is called
// again with the items one by one; what is durable is not journaled again.
func (p processor) Process(_ context.Context, id memory.SpaceID, items []*queue.Item) error {
	sl := p.registry.lookup(id)
	if sl == nil {
		p.Abandon(id, items, spaceDeleted(id))
		return nil
	}
	if items = p.ofThisLife(sl, items); len(items) == 0 {
		return nil
	}
	if err := sl.space.Wake(); err != nil {
		p.Abandon(id, items, err)
		return nil
	}
	if items[0].Progress.Journaled {
		for _, it := range items {
			if err := p.resume(sl, it); err != nil {
				return err
			}
		}
		return nil
	}
	return p.carryFitting(sl, items)
}

// ofThisLife abandons items that were meant for an earlier space of the same
// name, and returns the others.
func (p processor) ofThisLife(sl *slot, items []*queue.Item) []*queue.Item {
	same := func(it *queue.Item) bool { return ownerOf(it).slot == sl }
	if !slices.ContainsFunc(items, func(it *queue.Item) bool { return !same(it) }) {
		return items
	}
	var mine, others []*queue.Item
	for _, it := range items {
		if same(it) {
			mine = append(mine, it)
		} else {
			others = append(others, it)
		}
	}
	p.Abandon(sl.space.ID(), others, spaceDeleted(sl.space.ID()))
	return mine
}

// Quarantine keeps an item that cannot be applied: it has its number and
// generation, is readable by id, and no recall returns it.
func (p processor) Quarantine(_ context.Context, id memory.SpaceID, it *queue.Item, reason string) error {
	sl := p.registry.lookup(id)
	if sl == nil {
		p.Abandon(id, []*queue.Item{it}, spaceDeleted(id))
		return nil
	}
	if !it.Progress.Journaled {
		return p.quarantineFresh(sl, it, reason)
	}
	p.rec.Quarantined(string(id))
	pb := sl.pending
	i := pb.indexOf(it)
	if pb.batch.HasRow(i) {
		frame := sl.space.Quarantine(pb.batch, reason)
		if err := p.keepAdmitted(sl, frame); err != nil {
			return err
		}
		tellQuarantined(it, &pb.batch.Outcomes[i], reason)
	}
	return p.show(sl, pb, i+1)
}

// quarantineFresh quarantines an item that never came as far as the journal. If
// it cannot even be encoded, it is rejected: one observation must not bring the
// writing of all the others to an end.
func (p processor) quarantineFresh(sl *slot, it *queue.Item, reason string) (err error) {
	one := []*queue.Item{it}
	defer func() {
		cause := recover()
		switch {
		case cause == nil:
			p.rec.Quarantined(string(it.Space))
			return
		case it.Progress.Journaled:
			panic(cause) // its outcome is on disk already: nothing to turn away
		}
		p.opts.Log.Error("an observation cannot be kept", "space", it.Space, "session", it.Session, "sequence", it.Sequence, "panic", cause)
		p.turnAway(it, fault.Bug, "the observation cannot be kept: an internal error occurred; the server's log has the cause")
		err = p.carry(sl, one, nil)
	}()
	return p.carry(sl, one, func(int) string { return reason })
}

// Abandon tells the owners that nothing will become of their items: the
// journal failed, the space was deleted or is damaged, or the server stops on a
// full disk.
func (p processor) Abandon(_ memory.SpaceID, items []*queue.Item, err error) {
	f := fault.Of(err)
	if f.Reason != fault.SpaceDeleted && f.Reason != fault.SpaceDamaged && f.Reason != fault.DiskPressure {
		f = journalFailed(err)
		p.fail(f)
	}
	for _, g := range grouped(items) {
		g.failed(f)
	}
}

// Finished lets the memory of items that became visible serve others.
func (p processor) Finished(items []*queue.Item) { finished(items) }

// carry takes fresh items the whole way.
func (p processor) carry(sl *slot, items []*queue.Item, quarantine func(int) string) error {
	taken := time.Now()
	entries := p.entries.get(len(items))
	for i, it := range items {
		it.Trip.MarkAt(telemetry.StageQueue, taken)
		(*entries)[i] = it.Entry
	}
	batch := sl.space.Prepare(*entries, quarantine)
	p.entries.put(entries) // Prepare has taken from them what it wants
	if err := failpoint.Hit(failpoint.WorkerItem); err != nil {
		return err
	}
	if batch.Frame != nil {
		if err := p.keepAdmitted(sl, batch.Frame); err != nil {
			return err
		}
		batch.Release()
	}
	sl.space.Begin(batch)
	sl.pending = &pendingBatch{batch: batch, items: items, quarantine: quarantine}
	kept := time.Now()
	for i, it := range items {
		it.Trip.MarkAt(telemetry.StageJournal, kept)
		it.Progress.Journaled, it.Progress.Generation = true, batch.Outcomes[i].Generation
	}
	return p.show(sl, sl.pending, len(items))
}

// resume goes on with one item of a batch that was interrupted after its
// frame became durable.
func (p processor) resume(sl *slot, it *queue.Item) error {
	pb := sl.pending
	if it.Progress.Applied || pb == nil {
		return nil
	}
	return p.show(sl, pb, pb.indexOf(it)+1)
}

// tellDurable tells the owners of a durable batch so, once.
func (p processor) tellDurable(sl *slot, pb *pendingBatch) {
	if pb.durable {
		return
	}
	pb.durable = true
	for _, g := range grouped(pb.items) {
		g.durable(pb.batch.Outcomes, sl.reachedAt(g.from+len(g.items)))
		for i, it := range g.items {
			if pb.quarantine != nil && pb.batch.HasRow(g.from+i) {
				tellQuarantined(it, &pb.batch.Outcomes[g.from+i], pb.quarantine(g.from+i))
			}
		}
	}
}

// show applies and publishes the first n items of a durable batch and tells
// their owners. DURABLE is told after that, half a millisecond late, so that
// whoever hears it and asks at once finds what it is about: a client is woken
// sooner than rows are applied when there are processors to spare. What is
// durable is told as such even when applying it panics.
func (p processor) show(sl *slot, pb *pendingBatch, n int) error {
	if n <= pb.shown {
		return nil
	}
	defer p.tellDurable(sl, pb)
	sl.space.Apply(pb.batch, pb.batch.RowsThrough(n-1))
	applied := time.Now()
	sl.space.Publish(pb.batch)
	published := time.Now()
	p.tellDurable(sl, pb)
	items := pb.items[pb.shown:n]
	for _, it := range items {
		it.Trip.MarkAt(telemetry.StageApply, applied)
		it.Trip.MarkAt(telemetry.StagePublish, published)
		it.Progress.Applied = true
	}
	from := pb.shown
	pb.shown = n
	for _, g := range grouped(items) {
		gen := sl.reachedAt(from + g.from + len(g.items))
		g.owner.reached(memory.AckVisible, g.last(), gen)
		sl.awaiting.add(g.owner, g.last(), gen, traced(g.items, pb.batch.Outcomes[from+g.from:]))
	}
	p.report(sl, items, pb.batch.Outcomes[from:n])
	p.wantIndex(sl)
	if n == len(pb.items) {
		sl.pending = nil
		unload(pb.items) // nobody looks at an observation any more
	}
	return nil
}

// reachedAt is the generation at which the first n items of the pending batch
// are visible: that of the last row among them, or, if they make none, of what
// they repeat.
func (sl *slot) reachedAt(n int) memory.Generation {
	for i := n - 1; i >= 0; i-- {
		if g := sl.pending.batch.Outcomes[i].Generation; g != 0 && sl.pending.batch.HasRow(i) {
			return g
		}
	}
	return sl.space.Current().Generation
}

func tellQuarantined(it *queue.Item, out *memory.Outcome, reason string) {
	r := &memory.Rejection{Sequence: it.Sequence, ObservationID: out.ID, Reason: string(fault.Quarantined), Message: reason}
	out.Quarantined = true
	d := ownerOf(it)
	if d.session != nil {
		d.session.Reject(*r)
	}
	if d.call != nil {
		d.call.quarantined(it.Sequence, r)
	}
}

// report hands what happened to the recorder, one call per batch.
func (p processor) report(sl *slot, items []*queue.Item, outcomes []memory.Outcome) {
	list := p.done.get(len(items))
	done := *list
	for i, it := range items {
		o := &outcomes[i]
		if o.Rejection != nil && it.Rejection == nil {
			p.rec.Rejected(string(it.Space), o.Rejection.Reason, 1)
		}
		done[i] = telemetry.Done{
			Trip: &it.Trip, Session: string(it.Session), Sequence: uint64(it.Sequence), Generation: uint64(o.Generation), Lane: int(it.Lane),
			Duplicate: o.Duplicate, Rejected: o.Rejection != nil,
		}
	}
	p.rec.Published(string(sl.space.ID()), done)
	p.done.put(list)
}

func spaceDeleted(id memory.SpaceID) *fault.Error {
	return fault.New(fault.NotFound, fault.SpaceDeleted, "space %q was deleted", id)
}

func journalFailed(cause error) *fault.Error {
	return fault.Retry(fault.Unavailable, fault.JournalFailed, 30*time.Second,
		"the journal failed and nothing new is kept until the server is restarted; recalls are still answered").Because(cause)
}
