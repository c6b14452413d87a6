package space

import (
	"runtime"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/hnsw"
	"github.com/engram-stream/engram/service/internal/memory"
)

// pauseDeaths and pauseTraces are how many numbers of deaths, of each of which
// the time is looked up, and how many rows, each of which leaves the filter index,
// go between two calls of GiveWay.
const (
	pauseDeaths = 128
	pauseTraces = 16
)

// chooseErased finds the rows whose bytes are not to be in the files: those
// that were forgotten, and those superseded so long ago that no recall may ask
// for them. It takes them out of the graph and the filter index, and returns
// which of the stored chunks have to be written anew.
func (c *Capture) chooseErased() (rewrite []bool) {
	full := c.m.Rows >> chunkShift
	c.erased = make([]bool, c.m.Rows)
	rewrite = make([]bool, full)
	forgotten, superseded := make([]int, full+1), make([]int, full+1)
	window := c.now - int64(c.m.Settings.History+eraseMargin)
	for i := 0; i < len(c.deaths); i += 2 {
		if i%pauseDeaths == 0 {
			c.giveWay()
		}
		row, death := uint32(c.deaths[i]), c.deaths[i+1]
		if _, kept := c.m.Quarantined[row]; kept {
			continue
		}
		at := row >> chunkShift
		switch {
		case death == gone:
			forgotten[at]++
		case c.supersededBefore(memory.Generation(death), window):
			superseded[at]++
		default:
			continue
		}
		c.erased[row] = true
	}
	for at := range forgotten {
		c.giveWay()
		total := forgotten[at] + superseded[at]
		keep := 0
		if at < len(c.m.Chunks) {
			keep = c.m.Chunks[at].Erased
			rewrite[at] = total > keep && (c.every || c.hasForgotten(at) || float64(total-keep) >= eraseShare*chunkRows)
			if !rewrite[at] {
				c.leave(at)
			}
		}
	}
	c.rewriteWholeFiles(rewrite)
	c.forgetTraces()
	return rewrite
}

// rewriteWholeFiles adds the chunks that share a file with one that is to be
// written anew: the file has to go.
func (c *Capture) rewriteWholeFiles(rewrite []bool) {
	leaving := map[checkpoint.FileID]bool{}
	for at := range c.m.Chunks {
		if rewrite[at] {
			leaving[c.m.Chunks[at].File] = true
		}
	}
	for at := range c.m.Chunks {
		rewrite[at] = rewrite[at] || leaving[c.m.Chunks[at].File]
	}
}

// supersededBefore reports whether the row that has generation g was committed
// before t.
func (c *Capture) supersededBefore(g memory.Generation, t int64) bool {
	n := c.view.rowsThrough(c.m.Rows, g)
	return n > 0 && c.view.gen(uint32(n-1)) == g && c.view.commitTime(uint32(n-1)) < t
}

// hasForgotten reports whether a stored chunk still has bytes of a row that
// was forgotten.
func (c *Capture) hasForgotten(at int) bool {
	for row := at << chunkShift; row < (at+1)<<chunkShift; row++ {
		if c.erased[row] && c.view.death(uint32(row)).Load() == gone && len(c.view.record(uint32(row))) > 0 {
			return true
		}
	}
	return false
}

// leave takes back the choice of the rows of a chunk that still have bytes.
func (c *Capture) leave(at int) {
	for row := at << chunkShift; row < (at+1)<<chunkShift; row++ {
		if len(c.view.record(uint32(row))) > 0 {
			c.erased[row] = false
		}
	}
}

// forgetTraces takes the rows that lose their bytes now out of the filter index
// and the graph. table.indexing is held.
func (c *Capture) forgetTraces() {
	t, traces := c.table, 0
	for row, erase := range c.erased {
		if row&chunkMask == 0 {
			c.giveWay()
		}
		if !erase {
			continue
		}
		if traces++; traces%pauseTraces == 0 {
			c.giveWay()
		}
		t.dropped.Add(uint32(row))
		if rec := c.view.record(uint32(row)); len(rec) > 0 {
			if o, err := memory.ParseRecord(rec); err == nil {
				t.index.Remove(uint32(row), o)
			}
		}
	}
	if g := t.graph.Load(); g != nil && c.dropFromGraph(g) {
		t.stored.graphStale = true
	}
	runtime.KeepAlive(c.view)
}

// dropFromGraph takes erased rows out of the graph and reports whether there
// were any. table.indexing is held.
func (c *Capture) dropFromGraph(g *hnsw.Graph) bool {
	for row, erase := range c.erased {
		if row&chunkMask == 0 {
			c.giveWay()
		}
		if erase && g.Contains(uint32(row)) {
			c.table.fitDome(c.m.Settings.Metric, c.view, c.m.Rows, c.m.Settings.Dimension)
			return g.RemovePausing(func(row uint32) bool { return int(row) < len(c.erased) && c.erased[row] }, c.giveWay) > 0
		}
	}
	return false
}

// leftover reports whether rows are dead that keep their bytes for now.
func (c *Capture) leftover() bool {
	for i := 0; i < len(c.deaths); i += 2 {
		if i%pauseDeaths == 0 {
			c.giveWay()
		}
		row := uint32(c.deaths[i])
		if _, kept := c.m.Quarantined[row]; !kept && !c.erased[row] {
			return true
		}
	}
	return false
}

// emptied reports whether nothing is left of a row: it must not be moved into
// the graph.
func (v *view) emptied(row uint32) bool {
	return v.death(row).Load() != 0 && len(v.record(row)) == 0
}
