package source

import (
	"hash/maphash"
	"strconv"
)

// maxCounted bounds the texts of one file that are counted. Beyond it, ids
// depend on the line.
const maxCounted = 1 << 20

// repeats tells equal texts of one file apart by which occurrence they are, so
// that each is an observation of its own, the same every time the file is read.
type repeats struct {
	seed maphash.Seed
	seen map[uint64]uint32
}

func newRepeats() *repeats {
	return &repeats{seed: maphash.MakeSeed(), seen: map[uint64]uint32{}}
}

// id derives the id of the next occurrence of a text.
func (r *repeats) id(source, heading, text string, line int) string {
	if len(r.seen) >= maxCounted {
		return digest("line", source, strconv.Itoa(line), text)
	}
	key := maphash.String(r.seed, heading+"\x00"+text)
	n := r.seen[key]
	r.seen[key] = n + 1
	if n == 0 {
		return textID(source, heading, text)
	}
	return digest("again", source, heading, text, strconv.FormatUint(uint64(n), 10))
}
