package hnsw

import (
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"

	"github.com/engram-stream/engram/service/internal/fault"
)

// An image is the adjacency as it lies in memory, little endian:
//
//	header                      64 bytes, see layout.header
//	which chunks there are      1 bit for each of ⌈bound/4096⌉, then
//	which upper slices          1 bit for each of ⌈upperNext/1024⌉, then padding
//	each chunk there is         levels, upper, parents, base of its rows; padding
//	each upper slice there is   its blocks; padding
//
// Padding is zeros up to a multiple of 64 bytes, so that all arrays lie as
// memory would have them and a mapped image is used in place. The last chunk
// and the last upper slice end where what is in use ends: a small graph has a
// small image. Rows that are not in the graph are zeros, chunks and slices of
// such rows alone are left out: the image is a function of the graph.
const (
	imageMagic   = "EngrHNSW"
	imageVersion = 1
	imageAlign   = 64
	headerBytes  = 64

	flagKeepPruned = 1
)

// ImageError says that bytes are not the image of a graph.
type ImageError struct {
	Offset uint64 // of the part of the image that is wrong
	Cause  error
}

func (e *ImageError) Error() string {
	return fmt.Sprintf("image of the graph is damaged: at byte %d: %v", e.Offset, e.Cause)
}

// Unwrap gives what is wrong there.
func (e *ImageError) Unwrap() error { return e.Cause }

// As gives the damage as a fault, to those who look for one.
func (e *ImageError) As(target any) bool {
	f, ok := target.(**fault.Error)
	if ok {
		*f = fault.New(fault.DataLoss, fault.Corrupt, "the image of a graph is damaged; the server's log says where").Because(e.Cause)
	}
	return ok
}

// MismatchError says that an image is of another kind of graph than asked for,
// or in a format that this build does not know. The graph has to be built anew.
type MismatchError struct {
	Field        string // "M", "version"
	Image, Asked uint32
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("image of the graph has %s %d, asked for is %d", e.Field, e.Image, e.Asked)
}

// As gives the mismatch as a fault, to those who look for one.
func (e *MismatchError) As(target any) bool {
	f, ok := target.(**fault.Error)
	if ok {
		*f = fault.New(fault.FailedPrecondition, fault.Corrupt, "the image of a graph does not fit its settings").Because(e)
	}
	return ok
}

// WriteImage writes the graph, for [LoadImage] to read. It is the inserter's
// own: no Insert may run meanwhile, searches may. An error is that of w.
func (g *Graph) WriteImage(w io.Writer) error {
	g.begin("WriteImage")
	defer g.inserting.Store(false)
	defer runtime.KeepAlive(g)
	l, live := g.layout()
	out := imageWriter{w: w}
	out.put(l.header())
	out.put(l.chunks)
	out.put(l.slices)
	out.pad()
	for at, c := range *g.store.chunks.Load() {
		if l.chunks.has(at) {
			out.chunk(c, l.chunkRows(at), g.store.baseSlots)
			out.pad()
		}
	}
	for at, blocks := range *g.store.uppers.Load() {
		if l.slices.has(at) {
			out.slice(blocks, live, at*upperChunk, l.sliceBlocks(at), g.store.upperSlots)
			out.pad()
		}
	}
	if out.err != nil {
		return fmt.Errorf("write the image of a graph: %w", out.err)
	}
	return nil
}

// imageWriter encodes part by part; after an error it does nothing.
type imageWriter struct {
	w   io.Writer
	buf []byte
	n   uint64
	err error
}

func (o *imageWriter) put(b []byte) {
	if o.err != nil {
		return
	}
	_, o.err = o.w.Write(b)
	o.n += uint64(len(b))
}

func (o *imageWriter) pad() {
	var zeros [imageAlign]byte
	o.put(zeros[:padding(o.n)])
}

// words returns n words of zeros to be filled and put.
func (o *imageWriter) words(n int) []byte {
	if cap(o.buf) < 4*n {
		o.buf = make([]byte, 4*n)
	}
	clear(o.buf[:4*n])
	return o.buf[:4*n]
}

func (o *imageWriter) chunk(c *chunk, rows, slots int) {
	b := o.words(rows * (3 + slots))
	levels, upper, parents, base := b, b[4*rows:], b[8*rows:], b[12*rows:]
	for i := range rows {
		level := atomic.LoadUint32(&c.levels[i])
		if level == 0 {
			continue
		}
		putWord(levels, i, level)
		putWord(parents, i, c.parents[i])
		if level > 1 {
			putWord(upper, i, c.upper[i])
		}
		for j := i * slots; j < (i+1)*slots; j++ {
			putWord(base, j, c.base[j])
		}
	}
	o.put(b)
}

func (o *imageWriter) slice(from []uint32, live bits, first, blocks, slots int) {
	b := o.words(blocks * slots)
	for i := range blocks {
		if live.has(first + i) {
			for j := i * slots; j < (i+1)*slots; j++ {
				putWord(b, j, from[j])
			}
		}
	}
	o.put(b)
}

func putWord(b []byte, i int, v uint32) { binary.LittleEndian.PutUint32(b[4*i:], v) }

// bits is a set of small numbers, as it lies in an image.
type bits []byte

func newBits(n int) bits { return make(bits, (n+7)/8) }

func (b bits) has(i int) bool { return i/8 < len(b) && b[i/8]&(1<<(i%8)) != 0 }

func (b bits) add(i int) { b[i/8] |= 1 << (i % 8) }

// positions numbers the members below n: −1 is none.
func (b bits) positions(n int) (of []int32, members int) {
	of = make([]int32, n)
	for i := range of {
		of[i] = -1
		if b.has(i) {
			of[i] = int32(members)
			members++
		}
	}
	return of, members
}

// padding is how many bytes are missing to a multiple of imageAlign.
func padding(n uint64) uint64 { return -n & (imageAlign - 1) }
