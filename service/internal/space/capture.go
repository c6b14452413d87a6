package space

import (
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

	// What ReadBack found.
	back   bool
	failed error
	known  idTable
	leaves bool // rows are dead that keep their bytes
	stale  bool // the graph is not the one that was written
}

// Reservation keeps index workers out of the graph of a space that is about to
// be captured. Its owner calls Capture once, or Release.
type Reservation struct {
	space  *Space
	table  *table   // nil of a space that is asleep, and when it ended
	deaths []uint64 // room for those there are
}

// Reserve waits for the index worker, if one is at work. The caller does not hold
// the space: a worker may be in the midst of a row, without a processor, and
// nobody is to wait for that but a checkpoint.
func (s *Space) Reserve() *Reservation {
	r := &Reservation{space: s, table: s.table.Load()}
	if r.table != nil {
		r.table.lockIndexing()
		dead := int64(s.Current().rows) - s.live.Load()
		r.deaths = make([]uint64, 0, 2*max(0, dead+dead/8))
	}
	return r
}

// Release gives the graph back; after Capture it does nothing.
func (r *Reservation) Release() {
	if r.table != nil {
		r.table.indexing.Unlock()
		r.table = nil
	}
}

// Capture is [Reservation.Capture] of a space that is reserved only then.
func (s *Space) Capture(through uint64, eraseAll bool) *Capture {
	r := s.Reserve()
	defer r.Release()
	return r.Capture(through, eraseAll)
}

// Capture takes the state of a space that is awake, through is the journal
// position of the newest frame that is in it. The caller holds the space.
// Until Write is done with the graph, no rows move into it. It is nil while a
// durable batch is not wholly visible.
func (r *Reservation) Capture(through uint64, eraseAll bool) *Capture {
	s := r.space
	t := s.table.Load()
	sn := s.Current()
	if sn.Generation != s.assigned || sn.rows != s.rows {
		return nil
	}
	if r.table != t { // it awoke meanwhile
		r.Release()
		t.lockIndexing()
	}
	r.table = nil // the capture has it from here on
	sn = s.Current()
	c := &Capture{space: s, table: t, view: sn.view, now: s.now().UnixNano(), every: eraseAll, locked: true, deaths: r.deaths}
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
	c.idMaps = t.ids.split(t.idOf)
	t.mu.Unlock()
	for at, deaths := range sn.view.deaths { // 8 MB a million rows, while the space stands still
		first := at << chunkShift
		if first >= sn.rows {
			break
		}
		deaths = deaths[:min(len(deaths), sn.rows-first)]
		for i := range deaths {
			if d := deaths[i].Load(); d != 0 {
				c.deaths = append(c.deaths, uint64(first+i), d)
			}
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

// Abandon ends a capture that is not to be put in force; after Install it does
// nothing.
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
	return w.Section(func(out io.Writer) error {
		_, err := (&polite{to: out, giveWay: c.giveWay}).Write(b)
		return err
	})
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
	c.m.Graph, err = w.Section(func(out io.Writer) error { return g.WriteImage(&polite{to: out, giveWay: c.giveWay}) })
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
		c.giveWay()
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
		c.giveWay()
	}
	ref, err = w.Section(func(out io.Writer) error {
		return writeChunk(&polite{to: out, giveWay: c.giveWay}, cols, n, dim, erased == n)
	})
	return ref, erased, err
}

// buildIDs makes the table of the ids that stand for a row.
func (c *Capture) buildIDs() []byte {
	n := c.m.Rows - len(c.deaths)/2 + len(c.m.Quarantined) // no fewer than are added below
	c.ids = newIDTable(idSlots(n))
	next := 0
	for row := range uint32(c.m.Rows) {
		if row%pauseRows == 0 {
			c.giveWay()
		}
		if next < len(c.deaths) && c.deaths[next] == uint64(row) {
			next += 2
			if _, kept := c.m.Quarantined[row]; !kept {
				continue
			}
		}
		c.ids.add(memory.RecordIDBytes(c.view.record(row)), row)
	}
	return bytesOf(c.ids.slots)
}

func (c *Capture) indexImage() []byte {
	if c.m.Rows == 0 {
		return nil
	}
	return c.table.index.AppendImagePausing(nil, c.giveWay)
}
