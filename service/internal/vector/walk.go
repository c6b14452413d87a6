package vector

import (
	"math"
	"sync/atomic"
)

// What a walk over a graph does beside comparing: it leaves out the rows it has
// met, ranks the others, and keeps the best. It is here because these are
// kernels as well, chosen as the others are.
//
// A key ranks a row: the score in its upper half, mapped to an integer of the
// same order, and the complement of the row number in its lower. The higher key
// is the better score, and of equal scores the lower row; the order is total,
// and NaN comes last. No row has the key 0.

// MarkWords is how many words UnmarkedLinks needs to hold the marks of links
// up to the highest given.
func MarkWords(highest uint64) int { return max(int(highest/64)+1, lanes/2) }

// Spare is how many elements beyond its results a kernel of a walk may spoil.
const Spare = lanes

// lanes is how many numbers of 32 bits the widest register holds.
const lanes = 16

// UnmarkedLinks is the visited filter. A link is 0, which is none, or a row
// number plus one; marks has a bit for each link, and MarkWords words. It writes
// to out the rows of those links of list that are not marked, marks them, and
// returns how many there are. It stops at a link for which marks has no bit:
// done is how many links it has seen. out takes len(list)+Spare numbers. Links
// are read one by one, atomically.
func UnmarkedLinks(list []uint32, marks []uint64, out []uint32) (found, done int) {
	_ = out[:len(list)+Spare]
	return unmarkedLinks(list, marks, out)
}

// unmarkedPortable has no branch that depends on whether a row is marked, which
// is anybody's guess.
func unmarkedPortable(list []uint32, marks []uint64, out []uint32) (found, done int) {
	for i := range list {
		link := atomic.LoadUint32(&list[i])
		if link == 0 {
			continue
		}
		word := int(link / 64)
		if word >= len(marks) {
			return found, i
		}
		x := marks[word]
		marks[word] = x | 1<<(link%64)
		out[found] = link - 1
		found += int(^x >> (link % 64) & 1)
	}
	return found, len(list)
}

// KeyOf makes a key.
func KeyOf[K ~uint64](score float32, row uint32) K {
	return K(Sortable(score))<<32 | K(^row)
}

// Sortable maps a score to an integer of the same order: the sign bit is
// flipped on positive numbers and all bits on negative ones.
func Sortable(f float32) uint32 {
	if f != f { // NaN
		f = float32(math.Inf(-1))
	}
	bits := math.Float32bits(f)
	return bits ^ (uint32(int32(bits)>>31) | 0x80000000)
}

// KeysAbove writes the keys of rows with their scores to out, those that exceed
// least, in the same order, and returns how many there are. out takes
// len(rows)+Spare keys.
func KeysAbove[K ~uint64](scores []float32, rows []uint32, least K, out []K) int {
	_, _ = scores[:len(rows)], out[:len(rows)+Spare]
	return keysAbove(scores, rows, least, out)
}

func keysAbovePortable[K ~uint64](scores []float32, rows []uint32, least K, out []K) (found int) {
	for i, row := range rows {
		if k := KeyOf[K](scores[i], row); k > least {
			out[found] = k
			found++
		}
	}
	return found
}

// DropCloser drops those rows, and their keys, whose score exceeds that in the
// key, and returns how many are left: the first, in the same order. Both slices
// have Spare elements beyond the scores, which it may spoil.
func DropCloser[K ~uint64](scores []float32, keys []K, rows []uint32) int {
	n := len(scores) + Spare
	return dropCloser(scores, keys[:n], rows[:n])
}

func dropCloserPortable[K ~uint64](scores []float32, keys []K, rows []uint32) (left int) {
	for i, score := range scores {
		k := keys[i]
		keys[left], rows[left] = k, rows[i]
		if Sortable(score) <= uint32(k>>32) {
			left++
		}
	}
	return left
}

// BestSize is the size of the two slices that InsertBest needs to hold the best
// limit keys.
func BestSize(limit int) (keys, open int) {
	keys = (limit + 7) &^ 7
	return keys, keys/64 + 1
}

// InsertBest puts more keys among the best n so far, which are the first of
// best, in descending order; behind them are zeros or what fell off. open has a
// bit for each place: it is set at those where the new keys are, and moves with
// the others. It returns how many of limit places are taken then.
func InsertBest[K ~uint64](best []K, open []uint64, n, limit int, more []K) int {
	keys, words := BestSize(limit)
	_, _ = best[:keys], open[:words]
	if len(more) == 0 {
		return n
	}
	return insertBest(best, open, n, limit, more)
}

func insertBestPortable[K ~uint64](best []K, open []uint64, n, limit int, more []K) int {
	for _, k := range more {
		n = insertOne(best[:limit], open, n, k)
	}
	return n
}

func insertOne[K ~uint64](best []K, open []uint64, last int, k K) (n int) {
	n = last + 1
	if last == len(best) {
		last--
		if n--; k <= best[last] {
			return n
		}
	}
	// The step of this search has no branch to be mispredicted.
	at := 0
	for left := last; left > 0; {
		half := left / 2
		next := at + half + 1
		rest := left - half - 1
		better := best[at+half] > k
		if better {
			at = next
		}
		if better {
			half = rest
		}
		left = half
	}
	copy(best[at+1:last+1], best[at:last])
	best[at] = k

	word := at / 64
	bit := uint64(1) << (at % 64)
	x := open[word]
	open[word] = x&(bit-1) | bit | x&^(bit-1)<<1
	for carry := x >> 63; word < last/64; {
		word++
		x = open[word]
		open[word] = x<<1 | carry
		carry = x >> 63
	}
	return n
}

// AtLeast is the position of the first score that is not less than floor, NaN
// among them; len(scores) if there is none.
func AtLeast(scores []float32, floor float32) int { return atLeast(scores, floor) }

func atLeastPortable(scores []float32, floor float32) int {
	for i, score := range scores {
		if !(score < floor) { //nolint:staticcheck // NaN is not less
			return i
		}
	}
	return len(scores)
}
