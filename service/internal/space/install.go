package space

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/engram-stream/engram/service/internal/checkpoint"
)

// ReadBack finds in the files, once they are finished, what Install is to put
// in force, and verifies it. It takes a while, and the caller does not hold the
// space; Install does it if nobody did. What cannot be read stays where it is read
// from now, and Install tells of it. From its end on, until Install or Abandon, no
// rows move into the graph.
func (c *Capture) ReadBack(store *checkpoint.Store) {
	if c.back {
		return
	}
	c.back = true
	defer runtime.KeepAlive(c.view)
	for at, cols := range c.fresh {
		if cols == nil {
			continue
		}
		read, err := c.readBack(store, at)
		if err != nil {
			// All else has to be as the catalog says: it names what is there
			// from now on.
			c.fresh[at] = nil
			c.failed = errors.Join(c.failed, fmt.Errorf("read back space %q: %w", c.space.id, err))
			continue
		}
		*cols = read
	}
	c.known = c.knownFrom(store)
	c.leaves = c.leftover()
	c.table.lockIndexing()
	c.locked = true
	if g := c.table.graph.Load(); g != nil {
		c.stale = c.dropFromGraph(g) // rows that moved in meanwhile and are about to lose their vectors
	}
}

// readBack maps one chunk, block by block: all at once would be verified on
// every processor there is.
func (c *Capture) readBack(store *checkpoint.Store, at int) (columns, error) {
	ref := c.m.Chunks[at].Ref
	if err := c.verify(store, ref); err != nil {
		return columns{}, err
	}
	c.giveWay()
	return c.table.chunkFrom(store, ref, chunkRows, c.m.Settings.Dimension)
}

func (c *Capture) verify(store *checkpoint.Store, ref checkpoint.Ref) error {
	f, err := store.File(ref.File)
	if err != nil {
		return err
	}
	return f.Verify(ref, c.giveWay)
}

// knownFrom is the table of ids as the file has it, if it is large: what is read
// from files takes no memory of its own.
func (c *Capture) knownFrom(store *checkpoint.Store) idTable {
	if c.m.IDs.Length < largeSection {
		return c.ids
	}
	if err := c.verify(store, c.m.IDs); err != nil {
		return c.ids // as it was built; the next scrub tells of the damage
	}
	ids, err := section(store, c.m.IDs)
	if err != nil {
		return c.ids
	}
	// Whole as the file is, it has what was built.
	return idTable{owner: ids.file, slots: numbers[uint64](ids.bytes)}
}

// Install puts the checkpoint in force once its catalog is: full chunks are
// read from the files from now on, and their memory is given back. The caller
// holds the space, and counts its memory anew when it no longer does.
func (c *Capture) Install(store *checkpoint.Store, entry checkpoint.Entry) error {
	c.ReadBack(store)
	defer c.unlock()
	defer runtime.KeepAlive(c.view)
	s, t := c.space, c.table
	t.stored.chunks = c.m.Chunks
	t.stored.graph, t.stored.graphRows, t.stored.graphStale = c.m.Graph, c.m.GraphRows, c.stale
	t.mu.Lock()
	t.ids.cut(c.idMaps)
	t.known = c.known
	t.mu.Unlock()
	s.publish(false, func(sn *Snapshot) {
		w := t.view.Load().with(c.fresh)
		t.view.Store(w)
		if sn.table == t {
			sn.view = sn.view.with(c.fresh)
		}
	})
	s.bed = bed{store: store, manifest: entry.Manifest}
	s.bytes.Add(-c.freed)
	s.leftover.Store(c.leaves)
	return c.failed
}
