package hnsw

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// validator proves of a loaded graph what Check proves, in time linear in its
// links and without trusting any number. That every row is reachable follows
// from the tree: each row but one has a parent, no way up leads in a circle,
// and both ends of each of these links have it in their list.
type validator struct {
	g *Graph
	l *layout
	// place[c] is the position of chunk c among those there are, −1 if it is
	// not, and slices the same of upper slices: tables indexed by position are
	// no larger than the image, and fit the processor's caches.
	place  []int32
	slices []int32
	levels []uint8 // level+1 of each row
}

// validate checks a graph made of an image. offsets says where each chunk is.
func (g *Graph) validate(l *layout, offsets []uint64) error {
	v := validator{g: g, l: l}
	if at, err := v.rows(); err != nil {
		return &ImageError{Offset: at, Cause: err}
	}
	if err := v.tree(); err != nil {
		return &ImageError{Cause: err}
	}
	table := *g.store.chunks.Load()
	errs := make([]error, len(table))
	var next, children atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(table)) {
		wg.Go(func() {
			for at := next.Add(1) - 1; at < int64(len(table)); at = next.Add(1) - 1 {
				if c := table[at]; c != nil {
					n, err := v.chunk(c, uint32(at)<<chunkShift)
					children.Add(int64(n))
					errs[at] = err
				}
			}
		})
	}
	wg.Wait()
	for at, err := range errs {
		if err != nil {
			return &ImageError{Offset: offsets[at], Cause: err}
		}
	}
	if n := uint64(children.Load()); l.length > 0 && n != l.length-1 {
		return &ImageError{Cause: fmt.Errorf("%d rows have %d children among them, not %d", l.length, n, l.length-1)}
	}
	return nil
}

// rows checks levels and upper blocks, and the header's numbers against them.
func (v *validator) rows() (offset uint64, err error) {
	table := *v.g.store.chunks.Load()
	var present int
	v.place, present = v.l.chunks.positions(len(table))
	v.levels = make([]uint8, present<<chunkShift)
	v.slices, present = v.l.slices.positions(v.l.sliceCount())
	blocks := newBits(present * upperChunk)
	rows, top, highest := uint64(0), -1, uint64(0)
	for at, c := range table {
		if c == nil {
			continue
		}
		first := int(v.place[at]) << chunkShift
		for i, level := range c.levels {
			row := uint64(at)<<chunkShift | uint64(i)
			if level == 0 {
				continue
			}
			if level > maxLevel+1 {
				return 0, fmt.Errorf("row %d has level %d, the limit is %d", row, level-1, maxLevel)
			}
			if err := v.claim(blocks, int(c.upper[i]), int(level)-1); err != nil {
				return 0, fmt.Errorf("row %d: %w", row, err)
			}
			v.levels[first+i] = uint8(level)
			rows, top, highest = rows+1, max(top, int(level)-1), row+1
		}
	}
	if rows != v.l.length || highest != v.l.bound {
		return 40, fmt.Errorf("%d rows below %d, the header says %d below %d", rows, highest, v.l.length, v.l.bound)
	}
	entry, level := v.g.entryPoint()
	if level != top || v.level(entry) != top || top < 0 && v.l.entry != 0 {
		return 32, fmt.Errorf("entry row %d of level %d has level %d, the highest is %d", entry, level, v.level(entry), top)
	}
	return 0, nil
}

// claim takes the blocks of a row, which must be there, in one slice, and
// nobody else's.
func (v *validator) claim(blocks bits, first, level int) error {
	if level == 0 {
		return nil
	}
	if first+level > int(v.l.upperNext) || first%upperChunk+level > upperChunk || !v.l.slices.has(first/upperChunk) {
		return fmt.Errorf("%d blocks from %d do not lie in one slice of %d below %d", level, first, upperChunk, v.l.upperNext)
	}
	first = int(v.slices[first/upperChunk])*upperChunk + first%upperChunk
	for b := first; b < first+level; b++ {
		if blocks.has(b) {
			return fmt.Errorf("it shares one of its %d blocks", level)
		}
		blocks.add(b)
	}
	return nil
}

// level is the level of any row number, −1 if it is not in the graph.
func (v *validator) level(row uint32) int {
	c := int(row >> chunkShift)
	if c >= len(v.place) || v.place[c] < 0 {
		return -1
	}
	return int(v.levels[int(v.place[c])<<chunkShift|int(row%chunkRows)]) - 1
}

// tree checks that the parents form one tree: each row is walked up from until
// a row is met that is known to lead to the root.
func (v *validator) tree() error {
	walks := make([]uint32, len(v.levels)) // the number of the walk that met a row
	walk, roots := uint32(0), 0
	var err error
	v.g.rows(func(row uint32, _ int) {
		walk++
		for at := row; err == nil; {
			met := &walks[int(v.place[at>>chunkShift])<<chunkShift|int(at%chunkRows)]
			if *met == walk {
				err = fmt.Errorf("row %d is its own ancestor", at)
				return
			}
			if *met != 0 {
				return
			}
			*met = walk
			parent, ok := v.g.store.parent(at)
			if !ok {
				roots++
				return
			}
			if v.level(parent) < 0 {
				err = fmt.Errorf("row %d has parent %d, which is not in the graph", at, parent)
				return
			}
			at = parent
		}
	})
	if err == nil && roots != min(1, int(v.l.length)) {
		err = fmt.Errorf("%d rows have no parent", roots)
	}
	return err
}

// chunk checks the lists of a chunk and counts the children found in them.
func (v *validator) chunk(c *chunk, first uint32) (children int, err error) {
	slots := v.g.store.baseSlots
	for i, level := range c.levels {
		row := first + uint32(i)
		base := c.base[i*slots : (i+1)*slots]
		if level == 0 {
			if !blank(base) || c.upper[i] != 0 || c.parents[i] != 0 {
				return 0, fmt.Errorf("row %d has links and is not in the graph", row)
			}
			continue
		}
		n, err := v.list(row, 0, base, c.parents[i])
		if err != nil {
			return 0, err
		}
		if n > v.g.cfg.M/2 {
			return 0, fmt.Errorf("row %d has %d children, the limit is %d", row, n, v.g.cfg.M/2)
		}
		children += n
		for layer := 1; layer < int(level); layer++ {
			if _, err := v.list(row, layer, v.g.store.list(row, layer), 0); err != nil {
				return 0, err
			}
		}
	}
	return children, nil
}

// list checks one list: it leads to other rows that reach the layer, to each
// once, and at layer 0 to the parent, which is given as parent+1.
func (v *validator) list(row uint32, layer int, list []uint32, parent uint32) (children int, err error) {
	up := parent == 0
	// met is a hash set with a bit for each place. Where two links fall on one,
	// which is rare, the list itself tells whether they are the same.
	var met [16]uint64
	for i, link := range list {
		if link == 0 {
			continue
		}
		to := link - 1
		if to == row || v.level(to) < layer {
			return 0, fmt.Errorf("row %d layer %d: link to row %d, which has level %d", row, layer, to, v.level(to))
		}
		h := to * 0x9e3779b1 >> 22
		if bit := uint64(1) << (h % 64); met[h/64]&bit == 0 {
			met[h/64] |= bit
		} else {
			for _, before := range list[:i] {
				if before == link {
					return 0, fmt.Errorf("row %d layer %d: second link to row %d", row, layer, to)
				}
			}
		}
		if layer == 0 {
			if link == parent {
				up = true
			} else if v.g.isParent(row, to) {
				children++
			}
		}
	}
	if !up {
		return 0, fmt.Errorf("row %d: no link to its parent %d", row, parent-1)
	}
	return children, nil
}

func blank(list []uint32) bool {
	for _, link := range list {
		if link != 0 {
			return false
		}
	}
	return true
}
