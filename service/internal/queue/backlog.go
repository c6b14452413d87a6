package queue

import "github.com/engram-stream/engram/service/internal/memory"

// backlog is what waits in one space. It exists only while something does.
type backlog struct {
	flows map[flowKey]*flow
	lanes [memory.LaneCount]ring
	// left is what each lane may still take in this round.
	left    [memory.LaneCount]int
	waiting int
}

func newBacklog() *backlog { return &backlog{flows: make(map[flowKey]*flow, 1)} }

// push appends one item to its session.
func (b *backlog) push(it *Item) {
	key := keyOf(it)
	f := b.flows[key]
	if f == nil {
		f = &flow{key: key}
		b.flows[key] = f
		f.push(it)
		f.lane = f.rank()
		b.lanes[f.lane].append(f)
	} else {
		f.push(it)
		b.relink(f)
	}
	b.waiting++
}

// relink moves a flow whose rank changed to the end of its new lane.
func (b *backlog) relink(f *flow) {
	if lane := f.rank(); lane != f.lane {
		b.lanes[f.lane].remove(f)
		f.lane = lane
		b.lanes[lane].append(f)
	}
}

// choose gives the lane whose turn it is: the highest that has both something
// to give and a part left in this round. When none has, a new round begins
// (weighted round robin). The backlog must not be empty.
func (b *backlog) choose(weights *[memory.LaneCount]int) memory.Lane {
	for {
		for l := range b.lanes {
			if b.lanes[l].first != nil && b.left[l] > 0 {
				return memory.Lane(l)
			}
		}
		b.left = *weights
	}
}

// pop takes the next item. The backlog must not be empty.
func (b *backlog) pop(weights *[memory.LaneCount]int) *Item {
	lane := b.choose(weights)
	b.left[lane]--
	f := b.lanes[lane].first
	it := f.pop()
	b.waiting--
	if f.empty() {
		b.lanes[lane].remove(f)
		delete(b.flows, f.key)
		return it
	}
	b.lanes[lane].turn()
	b.relink(f)
	return it
}
