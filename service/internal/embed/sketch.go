package embed

import "math/bits"

// feature is one distinct word or n-gram of a text.
type feature struct {
	hash   uint64
	count  uint32
	weight uint32 // the largest it occurred with
}

// sketch is the scratch memory for one text: the distinct features with their
// counts, in an open-addressing table, and the sums they are projected into.
// One goroutine uses it at a time.
type sketch struct {
	slots []feature // power of two; count 0 means free
	order []uint32  // occupied slots, by first occurrence
	sums  []int64   // one per dimension
	word  []rune    // the word being read, without boundary marks
	text  []byte    // normalised text, when it is not ASCII
}

const initialSlots = 2048

func newSketch(dimension int) *sketch {
	return &sketch{
		slots: make([]feature, initialSlots),
		order: make([]uint32, 0, initialSlots/2),
		sums:  make([]int64, dimension),
		word:  make([]rune, 0, maxWordRunes),
	}
}

// reset forgets the last text. It clears only what was used, so a short text
// after a long one is not charged for the latter's table.
func (s *sketch) reset() {
	for _, slot := range s.order {
		s.slots[slot] = feature{}
	}
	s.order = s.order[:0]
	s.word = s.word[:0]
}

// count adds one occurrence of a feature.
func (s *sketch) count(hash uint64, weight uint32) {
	if 2*len(s.order) >= len(s.slots) {
		s.grow()
	}
	mask := uint64(len(s.slots) - 1)
	for slot := bits.RotateLeft64(hash, 32) & mask; ; slot = (slot + 1) & mask {
		e := &s.slots[slot]
		if e.count == 0 {
			*e = feature{hash, 1, weight}
			s.order = append(s.order, uint32(slot))
			return
		}
		if e.hash == hash {
			e.count++
			e.weight = max(e.weight, weight)
			return
		}
	}
}

// grow doubles the table. Its size is bounded by MaxTextBytes: a text of n
// runes has fewer than 4n features. The order of first occurrence survives.
func (s *sketch) grow() {
	old := s.slots
	s.slots = make([]feature, 2*len(old))
	mask := uint64(len(s.slots) - 1)
	for i, was := range s.order {
		e := old[was]
		slot := bits.RotateLeft64(e.hash, 32) & mask
		for s.slots[slot].count != 0 {
			slot = (slot + 1) & mask
		}
		s.slots[slot] = e
		s.order[i] = uint32(slot)
	}
}

// termFrequencies[n] is 1 + ln(n) in units of 1/1024, rounded: the usual
// sublinear damping (Manning et al., "Introduction to Information Retrieval",
// section 6.4.1). A table rather than math.Log, whose last bit depends on the
// platform; beyond it, repetition adds nothing.
var termFrequencies = [...]int64{
	0, 1024, 1734, 2149, 2444, 2672, 2859, 3017, 3153, 3274, 3382, 3479, 3569, 3651, 3726, 3797, 3863,
}

func termFrequency(count uint32) int64 {
	return termFrequencies[min(count, uint32(len(termFrequencies)-1))]
}
