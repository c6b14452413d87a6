package space

import (
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/memory"
)

// Whatever comes, newIDs says what a map of ids says: also where many ids have
// one hash, when a checkpoint takes older maps over, and when rounds come to
// nothing.
func TestNewIDsAreAMap(t *testing.T) {
	const ids = 16
	rapid.Check(t, func(t *rapid.T) {
		var names []memory.ObservationID // by row
		want := map[memory.ObservationID]uint32{}
		got := makeNewIDs()
		hashes := rapid.SampledFrom([]int{1, 3, ids}).Draw(t, "hashes")
		got.hash = func(id memory.ObservationID) uint64 { return uint64(int(id[0]-'a') % hashes) }
		idOf := func(row uint32) memory.ObservationID { return names[row] }
		is := func(id memory.ObservationID) func(uint32) bool {
			return func(row uint32) bool { return names[row] == id }
		}
		check := func() {
			for i := range ids {
				id := memory.ObservationID(rune('a' + i))
				row, ok := got.find(id, is(id))
				if wanted, there := want[id]; ok != there || ok && row != wanted {
					t.Fatalf("%s: row %d, %v; want %d, %v", id, row, ok, wanted, there)
				}
			}
		}
		taken, below := 0, 0 // the maps of the last split, and the rows in them
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			id := memory.ObservationID(rune('a' + rapid.IntRange(0, ids-1).Draw(t, "id")))
			switch rapid.SampledFrom([]string{"put", "put", "put", "remove", "split", "cut"}).Draw(t, fmt.Sprint("step ", i)) {
			case "put":
				row := uint32(len(names))
				names = append(names, id)
				got.put(id, row, is(id))
				want[id] = row
			case "remove":
				got.remove(id, is(id))
				delete(want, id)
			case "split":
				taken, below = got.split(idOf), len(names)
			case "cut":
				got.cut(taken)
				taken = 0
				maps.DeleteFunc(want, func(_ memory.ObservationID, row uint32) bool { return int(row) < below })
			}
			if n := len(got.maps); n > maxIDMaps {
				t.Fatalf("%d maps, at most %d", n, maxIDMaps)
			}
			check()
		}
	})
}
