package space

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/memory"
)

// Destination gives a checkpoint the files to write to. Each call may give the
// same file again.
type Destination interface {
	// Small is the file that many spaces share.
	Small() (*checkpoint.Writer, error)
	// Large is for what this checkpoint of the space alone has.
	Large() (*checkpoint.Writer, error)
	// Rows is for chunks, which later checkpoints name again.
	Rows() (*checkpoint.Writer, error)
	// GiveWay is called every fifty microseconds of work or so, by who writes
	// and with no lock held that a recall or a writer waits for. It may sleep.
	GiveWay()
}

// pauseRows is how many rows are looked at, each in its record, between two
// calls of GiveWay.
const pauseRows = 256

// largeSection is the size from which a section gets a file that goes away
// with the next checkpoint of its space, in bytes.
const largeSection = 256 << 10

// eraseShare is the share of a chunk's rows that have to be superseded before
// it is written anew for their sake. Forgotten rows do not wait.
const eraseShare = 0.2

// eraseMargin is how long a superseded row is kept after nobody may ask for it
// any more: a recall may be under way.
const eraseMargin = time.Minute

// Capture is the state of a space at one moment, on its way into files. Its
// owner calls Write once, then Install or Abandon.
type Capture struct {
	space  *Space
	table  *table
	view   *view
	m      manifest
	now    int64
	every  bool     // erase superseded rows whatever their share
	deaths []uint64 // row and death, alternating, rising
	locked bool     // table.indexing is held
	fresh  []*columns
	erased []bool // rows that have nothing left in the files
	ids    idTable
	idMaps int   // of the table: those that ids takes the place of
	freed  int64 // bytes of rows that lose them
	// giveWay is the destination's.
	giveWay func()
}

// Capture takes the state of a space that is awake, through is the journal
// position of the newest frame that is in it. The caller holds the space.
// Until Write is done with the graph, no rows move into it. It is nil while a
// durable batch is not wholly visible.
func (s *Space) Capture(through uint64, eraseAll bool) *Capture {
	t := s.table.Load()
	sn := s.Current()
	if sn.Generation != s.assigned || sn.rows != s.rows {
		return nil
	}
	t.lockIndexing()
	sn = s.Current()
	c := &Capture{space: s, table: t, view: sn.view, now: s.now().UnixNano(), every: eraseAll, locked: true}
	s.mu.RLock()
	c.m = manifest{
		Version: manifestVersion, Settings: s.settings, Through: through, Generation: sn.Generation, CommittedAt: sn.CommittedAt, LastCommit: s.lastCommit,
		Rows: sn.rows, Live: s.live.Load(), Bytes: s.bytes.Load(), GraphRows: sn.indexed,
		Marks: slices.Collect(maps.Values(s.marks)),
	}
	s.mu.RUnlock()
	if c.m.Settings.Dimension == 0 {
		c.m.Settings.Dimension = sn.dim
	}
	for _, e := range sn.events {
		c.m.Events = append(c.m.Events, manifestEvent{e.gen, e.at})
	}
	t.mu.Lock()
	c.m.Quarantined = maps.Clone(t.quarantined)
	t.ids, c.idMaps = t.ids.split(t.idOf)
	t.mu.Unlock()
	for row := range uint32(sn.rows) {
		if d := sn.view.death(row).Load(); d != 0 {
			c.deaths = append(c.deaths, uint64(row), d)
		}
	}
	c.m.Oldest = c.oldest()
	s.oldest.Store(c.m.Oldest)
	return c
}

// oldest is the commit time of the first row that is not dead.
func (c *Capture) oldest() int64 {
	next := 0
	for row := range uint32(c.m.Rows) {
		if next < len(c.deaths) && c.deaths[next] == uint64(row) {
			next += 2
			continue
		}
		return c.view.commitTime(row)
	}
	return 0
}

// Settings are those of the moment.
func (c *Capture) Settings() Settings { return c.m.Settings }

// Abandon ends a capture that is not to be put in force.
func (c *Capture) Abandon() { c.unlock() }

func (c *Capture) unlock() {
	if c.locked {
		c.locked = false
		c.table.indexing.Unlock()
	}
}

// Write writes what is not in files yet and returns the manifest's place and
// every file that the space needs from now on.
func (c *Capture) Write(to Destination) (entry checkpoint.Entry, err error) {
	defer c.unlock()
	defer runtime.KeepAlive(c.view)
	c.giveWay = to.GiveWay
	c.m.Chunks = slices.Clone(c.table.stored.chunks)
	rewrite := c.chooseErased()
	if err := c.writeGraph(to); err != nil {
		return entry, fmt.Errorf("write the graph of space %q: %w", c.space.id, err)
	}
	c.unlock()
	if err := c.writeChunks(to, rewrite); err != nil {
		return entry, fmt.Errorf("write the rows of space %q: %w", c.space.id, err)
	}
	for _, part := range []struct {
		ref  *checkpoint.Ref
		data []byte
	}{
		{&c.m.Deaths, bytesOf(c.deaths)},
		{&c.m.IDs, c.buildIDs()},
		{&c.m.Index, c.indexImage()},
	} {
		if len(part.data) > 0 {
			if *part.ref, err = c.put(to, part.data); err != nil {
				return entry, fmt.Errorf("write space %q: %w", c.space.id, err)
			}
		}
	}
	c.m.Bytes -= c.freed
	b, err := c.m.encode()
	if err != nil {
		return entry, err
	}
	entry = checkpoint.Entry{Space: c.space.id, Incarnation: c.space.incarnation}
	if entry.Manifest, err = c.put(to, b); err != nil {
		return entry, fmt.Errorf("write the manifest of space %q: %w", c.space.id, err)
	}
	entry.Files = c.m.files(entry.Manifest)
	return entry, nil
}

// files are those the manifest needs, its own among them.
func (m *manifest) files(own checkpoint.Ref) []checkpoint.FileID {
	files := []checkpoint.FileID{own.File}
	m.refs(func(r checkpoint.Ref) { files = append(files, r.File) })
	slices.Sort(files)
	return slices.Compact(files)
}

func (c *Capture) put(to Destination, b []byte) (checkpoint.Ref, error) {
	w, err := c.fileFor(to, len(b))
	if err != nil {
		return checkpoint.Ref{}, err
	}
	return w.Append(b)
}

func (c *Capture) fileFor(to Destination, size int) (*checkpoint.Writer, error) {
	if size >= largeSection {
		return to.Large()
	}
	return to.Small()
}

// writeGraph writes the graph, unless the image there is will do: rows that it
// lacks are scanned after a start, until they are moved into it again.
func (c *Capture) writeGraph(to Destination) error {
	g, st := c.table.graph.Load(), &c.table.stored
	if g == nil || c.m.GraphRows == 0 {
		c.m.GraphRows = 0
		return nil
	}
	if st.graph.Length >= largeSection && !st.graphStale && c.m.GraphRows-st.graphRows <= c.m.GraphRows/20 {
		c.m.Graph, c.m.GraphRows = st.graph, st.graphRows
		return nil
	}
	w, err := c.fileFor(to, g.Bytes())
	if err != nil {
		return err
	}
	c.m.Graph, err = w.Section(func(out io.Writer) error { return g.WriteImage(out) })
	return err
}

// writeChunks writes the chunks that are full now and were not, those that
// lose rows, and the last one.
func (c *Capture) writeChunks(to Destination, rewrite []bool) error {
	full, dim := c.m.Rows>>chunkShift, c.m.Settings.Dimension
	c.fresh = make([]*columns, full)
	for at := 0; at < full; at++ {
		if at < len(c.m.Chunks) && !rewrite[at] {
			continue
		}
		w, err := to.Rows()
		if err != nil {
			return err
		}
		ref, erased, err := c.writeChunk(w, at, chunkRows, dim)
		if err != nil {
			return err
		}
		st := storedChunk{ref, erased}
		if at < len(c.m.Chunks) {
			c.m.Chunks[at] = st
		} else {
			c.m.Chunks = append(c.m.Chunks, st)
		}
		c.fresh[at] = &columns{} // to be filled by Install
	}
	if rest := c.m.Rows & chunkMask; rest > 0 {
		w, err := c.fileFor(to, rest*(4*dim+64))
		if err != nil {
			return err
		}
		c.m.Last, _, err = c.writeChunk(w, full, rest, dim)
		return err
	}
	return nil
}

func (c *Capture) writeChunk(w *checkpoint.Writer, at, n, dim int) (ref checkpoint.Ref, erased int, err error) {
	cols := c.view.chunk(at)
	drop := func(i int) bool { return c.erased[at<<chunkShift+i] }
	for i := range n {
		if !drop(i) {
			continue
		}
		erased++
		if n == chunkRows && len(cols.records.at(uint32(i))) > 0 {
			c.freed += int64(4 * dim)
			if cols.deaths[i].Load() != gone {
				c.freed += int64(len(cols.records.at(uint32(i)))) // of others it was taken off when they went
			}
		}
	}
	if erased > 0 && erased < n {
		cols = cols.erase(n, dim, drop)
	}
	ref, err = w.Section(func(out io.Writer) error { return writeChunk(out, cols, n, dim, erased == n) })
	return ref, erased, err
}

// buildIDs makes the table of the ids that stand for a row.
func (c *Capture) buildIDs() []byte {
	var rows []uint32
	next := 0
	for row := range uint32(c.m.Rows) {
		if row&chunkMask == 0 {
			c.giveWay()
		}
		if next < len(c.deaths) && c.deaths[next] == uint64(row) {
			next += 2
			if _, kept := c.m.Quarantined[row]; !kept {
				continue
			}
		}
		rows = append(rows, row)
	}
	c.ids = idTable{slots: make([]uint64, idSlots(len(rows)))}
	for i, row := range rows {
		if i%pauseRows == 0 {
			c.giveWay()
		}
		id, _ := memory.RecordID(c.view.record(row))
		c.ids.add(id, row)
	}
	return bytesOf(c.ids.slots)
}

func (c *Capture) indexImage() []byte {
	if c.m.Rows == 0 {
		return nil
	}
	return c.table.index.AppendImage(nil)
}

// Install puts the checkpoint in force once its catalog is: full chunks are
// read from the files from now on, and their memory is given back. The caller
// holds the space.
func (c *Capture) Install(store *checkpoint.Store, entry checkpoint.Entry) error {
	defer runtime.KeepAlive(c.view)
	var failed error
	for at, cols := range c.fresh {
		if cols == nil {
			continue
		}
		read, err := c.table.chunkFrom(store, c.m.Chunks[at].Ref, chunkRows, c.m.Settings.Dimension)
		if err != nil {
			// The rows stay where they are read from now. All else has to be as
			// the catalog says: it names what is there from now on.
			c.fresh[at] = nil
			failed = errors.Join(failed, fmt.Errorf("read back space %q: %w", c.space.id, err))
			continue
		}
		*cols = read
	}
	s, t := c.space, c.table
	t.lockIndexing()
	defer t.indexing.Unlock()
	t.stored.chunks = c.m.Chunks
	t.stored.graph, t.stored.graphRows, t.stored.graphStale = c.m.Graph, c.m.GraphRows, false
	if g := t.graph.Load(); g != nil && c.dropFromGraph(g) {
		t.stored.graphStale = true // rows that moved in meanwhile and are about to lose their vectors
	}
	known := c.knownFrom(store)
	t.mu.Lock()
	t.ids, t.known = t.ids.cut(c.idMaps), known
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
	s.leftover.Store(c.leftover())
	s.Memory()
	return failed
}

// knownFrom is the table of ids as the file has it, if it is large: what is read
// from files takes no memory of its own.
func (c *Capture) knownFrom(store *checkpoint.Store) idTable {
	if c.m.IDs.Length < largeSection {
		return c.ids
	}
	ids, err := section(store, c.m.IDs)
	if err != nil {
		return c.ids // as it was built; the next scrub tells of the damage
	}
	known, err := openIDTable(ids.bytes, c.m.Rows)
	if err != nil {
		return c.ids
	}
	known.owner = ids.file
	return known
}
