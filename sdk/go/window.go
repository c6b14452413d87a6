package engram

import v1 "github.com/engram-stream/engram/gen/go/engram/v1"

// window holds the observations above the durable mark, in order: what may
// have to be sent again.
type window struct {
	list  []held // list[i] has number durable + 1 + i
	head  int    // of list; what lies before is dropped
	first uint64 // number of list[head]
	bytes int64
}

type held struct {
	observation *v1.Observation
	size        int64
}

func (w *window) len() int { return len(w.list) - w.head }

// next is the number the next observation gets.
func (w *window) next() uint64 { return w.first + uint64(w.len()) }

func (w *window) push(h held) {
	w.list = append(w.list, h)
	w.bytes += h.size
}

func (w *window) at(seq uint64) held { return w.list[w.head+int(seq-w.first)] }

// drop forgets everything through a number.
func (w *window) drop(through uint64) {
	for w.len() > 0 && w.first <= through {
		w.bytes -= w.list[w.head].size
		w.list[w.head] = held{}
		w.head++
		w.first++
	}
	if w.head > 1024 && w.head > len(w.list)/2 {
		n := copy(w.list, w.list[w.head:])
		clear(w.list[n:])
		w.list, w.head = w.list[:n], 0
	}
}
