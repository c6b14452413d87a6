package space

import (
	"github.com/cespare/xxhash/v2"

	"github.com/engram-stream/engram/service/internal/memory"
)

// newIDs finds the rows of ids that are newer than the checkpoint's. It is keyed
// by the id's xxHash64, and the id itself is looked up in the row's record: with
// no pointer in it there is nothing for the garbage collector to follow, where a
// map of a million strings took most of its time.
//
// It is a list of maps, the newest last: a checkpoint that is in force takes over
// the older ones whole, so that nothing has to be picked out of them.
type newIDs []idMap

// maxIDMaps bounds the maps that rounds which came to nothing leave.
const maxIDMaps = 4

// idMap is one of these maps.
type idMap struct {
	rows map[uint64]uint32
	// others are the ids whose hash another id had first.
	others map[memory.ObservationID]uint32
}

func newIDMap() idMap { return idMap{rows: map[uint64]uint32{}} }

func (m *idMap) len() int { return len(m.rows) + len(m.others) }

// find returns the row of an id; is tells whether a row that may be its, is.
func (n newIDs) find(id memory.ObservationID, is func(row uint32) bool) (uint32, bool) {
	h := xxhash.Sum64String(string(id))
	for i := len(n) - 1; i >= 0; i-- {
		if row, ok := n[i].others[id]; ok {
			return row, true
		}
		if row, ok := n[i].rows[h]; ok && is(row) {
			return row, true
		}
	}
	return 0, false
}

// put lets an id stand for a row from now on.
func (n newIDs) put(id memory.ObservationID, row uint32, is func(row uint32) bool) {
	m := &n[len(n)-1]
	h := xxhash.Sum64String(string(id))
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
func (n newIDs) remove(id memory.ObservationID, is func(row uint32) bool) {
	h := xxhash.Sum64String(string(id))
	for i := range n {
		m := &n[i]
		if row, ok := m.rows[h]; ok && is(row) {
			delete(m.rows, h)
		}
		delete(m.others, id)
	}
}

func (n newIDs) len() (sum int) {
	for i := range n {
		sum += n[i].len()
	}
	return sum
}

// split begins another map, for what comes after a checkpoint; what was there
// stays until cut. It returns how many maps that is. idOf gives the id in a row's
// record.
func (n newIDs) split(idOf func(row uint32) memory.ObservationID) (newIDs, int) {
	if len(n) == maxIDMaps {
		n = append(newIDs{merged(n[0], n[1], idOf)}, n[2:]...)
	}
	if n[len(n)-1].len() == 0 { // nothing came since the last split
		return n, len(n) - 1
	}
	return append(n, newIDMap()), len(n)
}

// cut drops the oldest maps, which a checkpoint has taken over.
func (n newIDs) cut(maps int) newIDs { return append(newIDs{}, n[maps:]...) }

// merged puts a newer map into an older one.
func merged(old, newer idMap, idOf func(row uint32) memory.ObservationID) idMap {
	into := newIDs{old}
	put := func(id memory.ObservationID, row uint32) {
		into.put(id, row, func(before uint32) bool { return idOf(before) == id })
	}
	for _, row := range newer.rows {
		put(idOf(row), row)
	}
	for id, row := range newer.others {
		put(id, row)
	}
	return into[0]
}
