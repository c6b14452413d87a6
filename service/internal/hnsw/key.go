package hnsw

import (
	"math"

	"github.com/engram-stream/engram/service/internal/vector"
)

// key packs a score and a row so that one integer comparison ranks: the higher
// key is the better score, and of equal scores the lower row. It makes the
// order total, which makes searches deterministic, and puts NaN last.
type key uint64

func makeKey(score float32, row uint32) key { return vector.KeyOf[key](score, row) }

func (k key) row() uint32 { return ^uint32(k) }

// rank is the part of the key that stands for the score alone.
func (k key) rank() uint32 { return uint32(k >> 32) }

func (k key) score() float32 {
	bits := k.rank()
	if bits&0x80000000 != 0 {
		return math.Float32frombits(bits ^ 0x80000000)
	}
	return math.Float32frombits(^bits)
}

// bestFirst is a binary heap with the best key on top.
type bestFirst []key

func (h *bestFirst) push(k key) {
	s := append(*h, k)
	i := len(s) - 1
	for i > 0 {
		up := (i - 1) / 2
		if s[up] >= k {
			break
		}
		s[i] = s[up]
		i = up
	}
	s[i] = k
	*h = s
}

func (h *bestFirst) pop() key {
	s := *h
	top, last := s[0], s[len(s)-1]
	s = s[:len(s)-1]
	*h = s
	if len(s) == 0 {
		return top
	}
	i := 0
	for {
		c := 2*i + 1
		if c >= len(s) {
			break
		}
		if c+1 < len(s) && s[c+1] > s[c] {
			c++
		}
		if s[c] <= last {
			break
		}
		s[i] = s[c]
		i = c
	}
	s[i] = last
	return top
}
