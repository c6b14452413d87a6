package space

import (
	"github.com/cespare/xxhash/v2"

	"github.com/engram-stream/engram/service/internal/memory"
)

// newIDs finds the rows of ids that are newer than the checkpoint's. It is keyed
// by a hash of the id, and the id itself is looked up in the row's record: with
// no pointer in it there is nothing for the garbage collector to follow, where a
// map of a million strings took most of its time.
//
// It is a list of maps, the newest last: a checkpoint that is in force takes over
// the older ones whole, so that nothing has to be picked out of them.
type newIDs struct {
	maps []idMap
	hash func(id memory.ObservationID) uint64
}

// maxIDMaps bounds the maps that rounds which came to nothing leave.
const maxIDMaps = 4

// idMap is one of these maps.
type idMap struct {
	rows map[uint64]uint32
	// others are the ids whose hash another id had first.
	others map[memory.ObservationID]uint32
}

// makeNewIDs is without ids. The hash is xxHash64, but for tests.
func makeNewIDs() newIDs {
	return newIDs{[]idMap{newIDMap()}, func(id memory.ObservationID) uint64 { return xxhash.Sum64String(string(id)) }}
}

func newIDMap() idMap { return idMap{rows: map[uint64]uint32{}} }

func (m *idMap) len() int { return len(m.rows) + len(m.others) }

// find returns the row of an id; is tells whether a row that may be its, is.
func (n *newIDs) find(id memory.ObservationID, is func(row uint32) bool) (uint32, bool) {
	h := n.hash(id)
	for i := len(n.maps) - 1; i >= 0; i-- {
		m := &n.maps[i]
		if row, ok := m.others[id]; ok {
			return row, true
		}
		if row, ok := m.rows[h]; ok && is(row) {
			return row, true
		}
	}
	return 0, false
}

// put lets an id stand for a row from now on.
func (n *newIDs) put(id memory.ObservationID, row uint32, is func(row uint32) bool) {
	n.maps[len(n.maps)-1].put(n.hash(id), id, row, is)
}

func (m *idMap) put(h uint64, id memory.ObservationID, row uint32, is func(row uint32) bool) {
	before, taken := m.rows[h]
	_, apart := m.others[id]
	if !apart && (!taken || is(before)) {
		m.rows[h] = row
		return
	}
	if m.others == nil {
		m.others = map[memory.ObservationID]uint32{}
	}
	m.others[id] = row
}

// remove forgets an id.
func (n *newIDs) remove(id memory.ObservationID, is func(row uint32) bool) {
	h := n.hash(id)
	for i := range n.maps {
		m := &n.maps[i]
		if row, ok := m.rows[h]; ok && is(row) {
			delete(m.rows, h)
		}
		delete(m.others, id)
	}
}

func (n *newIDs) len() (sum int) {
	for i := range n.maps {
		sum += n.maps[i].len()
	}
	return sum
}

// split begins another map, for what comes after a checkpoint; what was there
// stays until cut. It returns how many maps that is. idOf gives the id in a row's
// record.
func (n *newIDs) split(idOf func(row uint32) memory.ObservationID) (before int) {
	if len(n.maps) == maxIDMaps {
		n.merge(idOf)
	}
	before = len(n.maps)
	if n.maps[before-1].len() == 0 { // nothing came since the last split
		return before - 1
	}
	n.maps = append(n.maps, newIDMap())
	return before
}

// cut drops the oldest maps, which a checkpoint has taken over.
func (n *newIDs) cut(maps int) { n.maps = append([]idMap{}, n.maps[maps:]...) }

// merge puts the second oldest map into the oldest.
func (n *newIDs) merge(idOf func(row uint32) memory.ObservationID) {
	into := &n.maps[0]
	put := func(id memory.ObservationID, row uint32) {
		into.put(n.hash(id), id, row, func(before uint32) bool { return idOf(before) == id })
	}
	for _, row := range n.maps[1].rows {
		put(idOf(row), row)
	}
	for id, row := range n.maps[1].others {
		put(id, row)
	}
	n.maps = append(n.maps[:1], n.maps[2:]...)
}
