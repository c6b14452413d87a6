package space

import (
	"fmt"
	"maps"
	"testing"

	"github.com/cespare/xxhash/v2"
	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/memory"
)

// Whatever comes, newIDs says what a map of ids says: also when two ids have one
// hash, when a checkpoint takes older maps over, and when rounds come to nothing.
func TestNewIDsAreAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var names []memory.ObservationID // by row
		want := map[memory.ObservationID]uint32{}
		ids := newIDs{newIDMap()}
		idOf := func(row uint32) memory.ObservationID { return names[row] }
		is := func(id memory.ObservationID) func(uint32) bool {
			return func(row uint32) bool { return names[row] == id }
		}
		taken, below := 0, 0 // the maps of the last split, and the rows in them
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			id := memory.ObservationID(fmt.Sprint(rapid.IntRange(0, 30).Draw(t, "id")))
			switch rapid.SampledFrom([]string{"put", "put", "put", "clash", "remove", "split", "cut"}).Draw(t, "step") {
			case "put":
				row := uint32(len(names))
				names = append(names, id)
				ids.put(id, row, is(id))
				want[id] = row
			case "clash": // as if another id with the same hash were there first
				other := id + "'"
				h := xxhash.Sum64String(string(id))
				m := ids[len(ids)-1]
				if _, full := m.rows[h]; full {
					continue
				}
				m.rows[h] = uint32(len(names))
				names = append(names, other)
			case "remove":
				ids.remove(id, is(id))
				delete(want, id)
			case "split":
				ids, taken = ids.split(idOf)
				below = len(names)
			case "cut":
				ids = ids.cut(taken)
				taken = 0
				maps.DeleteFunc(want, func(_ memory.ObservationID, row uint32) bool { return int(row) < below })
			}
			if n := len(ids); n > maxIDMaps {
				t.Fatalf("%d maps, at most %d", n, maxIDMaps)
			}
		}
		for i := range 31 {
			id := memory.ObservationID(fmt.Sprint(i))
			row, ok := ids.find(id, is(id))
			if wanted, there := want[id]; ok != there || ok && row != wanted {
				t.Errorf("%s: row %d, %v; want %d, %v", id, row, ok, wanted, there)
			}
		}
	})
}
