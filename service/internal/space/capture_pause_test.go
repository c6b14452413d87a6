package space

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/memory"
)

// steps counts the pauses of a checkpoint, by the kind of file that was asked
// for last: the erasing comes before any, the graph has a large one, chunks have
// the file of rows, and ids are found after the last of them.
type steps struct {
	oneFile
	at    string
	calls map[string]int
}

func (s *steps) Small() (*checkpoint.Writer, error) { s.at += "s"; return s.oneFile.Small() }
func (s *steps) Large() (*checkpoint.Writer, error) { s.at += "l"; return s.oneFile.Large() }
func (s *steps) Rows() (*checkpoint.Writer, error)  { s.at = "r"; return s.oneFile.Rows() }
func (s *steps) GiveWay()                           { s.calls[s.at]++; s.oneFile.GiveWay() }

// put puts a capture in force that was written to files.
func put(t testing.TB, d *disk, c *Capture, e checkpoint.Entry, files *oneFile) {
	t.Helper()
	if err := files.finish(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.store.Commit(checkpoint.Catalog{Spaces: []checkpoint.Entry{e}}); err != nil {
		t.Fatal(err)
	}
	c.ReadBack(d.store)
	if err := c.Install(d.store, e); err != nil {
		t.Fatal(err)
	}
}

// worn is a world with full chunks, a large graph, and rows to be erased.
func worn(t testing.TB, rows, forgotten int) *world {
	t.Helper()
	w := newWorld(Settings{Dimension: 3, Metric: memory.MetricEuclidean, IndexThreshold: 1, M: 8})
	w.observe(many("a", rows)...)
	w.indexAll()
	var ids []memory.ObservationID
	for i := range forgotten {
		ids = append(ids, memory.ObservationID(fmt.Sprintf("a-%d", 3*i)))
	}
	w.forget(ids...)
	return w
}

// In every phase there is a pause for so and so many rows or bytes, whatever
// the size of the space.
func TestACheckpointPausesInEveryPhase(t *testing.T) {
	const rows, forgotten = 3*chunkRows + 100, 2000
	d, w := newDisk(t), worn(t, rows, forgotten)
	graph := w.Current().graph.Bytes()
	files := &steps{oneFile: oneFile{store: d.store}, calls: map[string]int{}}
	c := w.Capture(uint64(len(w.frames)), false)
	e, err := c.Write(files)
	if err != nil {
		t.Fatal(err)
	}
	calls := files.calls
	if got, want := calls[""], 2*forgotten/pauseDeaths+forgotten/pauseTraces+rows-forgotten; got < want {
		t.Errorf("%d pauses while choosing %d rows, erasing them and mending the graph, want %d", got, forgotten, want)
	}
	if got, want := calls["l"], graph/2/politePiece; got < want || want == 0 {
		t.Errorf("%d pauses while writing a graph of about %d bytes, want %d", got, graph, want)
	}
	if got := calls["r"] + calls["rs"]; got < rows/pauseRows {
		t.Errorf("%d pauses for %d rows and their ids, want %d", got, rows, rows/pauseRows)
	}
	before := calls[files.at]
	put(t, d, c, e, &files.oneFile)
	if got := calls[files.at] - before; got < 3 {
		t.Errorf("%d pauses while three chunks were read back", got)
	}
	mustEqual(t, "restored", w.restoredAfter(t, d, len(w.frames)).state(t), w.state(t))
}

// restoredAfter is restored from a checkpoint that has the first frames.
func (w *world) restoredAfter(t failer, d *disk, frames int) *world {
	t.Helper()
	d.frames = frames
	return w.restored(t, d)
}

// At every pause the space can be written to, asked, and forgotten from: no lock
// is held that these wait for. And what is kept is the state of the moment of the
// capture all the same.
func TestASpaceGoesOnAtEveryPause(t *testing.T) {
	for _, erase := range []bool{false, true} {
		d, w := newDisk(t), worn(t, chunkRows+500, 200)
		for round := range 2 {
			pauses := 0
			goOn := func() {
				if pauses++; pauses > 30 && pauses%50 != 0 {
					return
				}
				done := make(chan struct{})
				go func() {
					defer close(done)
					n := fmt.Sprintf("%d-%d", round, pauses)
					w.observe(obs("new-"+n, 1, 2, float32(-pauses)), replacing(obs(fmt.Sprintf("a-%d", 3*pauses+1), 4, 5, float32(-pauses))))
					w.forget(memory.ObservationID(fmt.Sprintf("a-%d", 3*pauses+2)))
					w.ask(t, w.Current(), 3, 1, 2, 3)
					w.Memory()
				}()
				select {
				case <-done:
				case <-time.After(time.Minute):
					panic("a checkpoint pauses while it holds what a writer or a recall waits for")
				}
			}
			reserved := w.Reserve()
			frames := len(w.frames)
			c := reserved.Capture(uint64(frames), erase)
			files := &oneFile{store: d.store, giveWay: goOn}
			e, err := c.Write(files)
			if err != nil {
				t.Fatal(err)
			}
			wrote := pauses
			put(t, d, c, e, files)
			if wrote < 20 || pauses == wrote {
				t.Fatalf("%d pauses while writing, %d in all", wrote, pauses)
			}
			mustEqual(t, "restored", w.restoredAfter(t, d, frames).state(t), w.state(t))
			if err := w.Check(); err != nil {
				t.Fatal(err)
			}
			w.indexAll()
			// What was restored closed the store of before.
			again := w.restoredAfter(t, d, frames)
			again.indexAll()
			w = again
		}
	}
}

// Who reserves a space that is asleep captures it all the same, and a
// reservation that came to nothing leaves the graph to index workers.
func TestAReservationEnds(t *testing.T) {
	d := newDisk(t)
	w := newWorld(Settings{Dimension: 3, Metric: memory.MetricEuclidean, IndexThreshold: 1, M: 8})
	w.observe(many("a", 100)...)
	w.indexAll()
	w.checkpoint(t, d)
	if !w.Sleep() {
		t.Fatal("not asleep")
	}
	asleep := w.Reserve()
	if err := w.Wake(); err != nil {
		t.Fatal(err)
	}
	c := asleep.Capture(uint64(len(w.frames)), false)
	asleep.Release()
	c.Abandon()
	c.Abandon()

	r := w.Reserve()
	r.Release()
	r.Release()
	w.observe(obs("b", 1, 2, 3))
	w.indexAll()
	if w.WantsIndexing() {
		t.Error("the graph is still kept")
	}
	w.checkpoint(t, d)
}

// Nothing is lost or written twice between two pauses, whatever the sizes, and
// an error ends it.
func TestPolitePieces(t *testing.T) {
	for _, sizes := range [][]int{{0}, {1}, {politePiece}, {politePiece + 1, politePiece - 1}, {3*politePiece + 7}, {10, politePiece, 5, 2 * politePiece}} {
		var got sink
		total, pauses := 0, 0
		p := &polite{to: &got, giveWay: func() { pauses++ }}
		for _, n := range sizes {
			b := make([]byte, n)
			for i := range b {
				b[i] = byte(total + i)
			}
			if wrote, err := p.Write(b); wrote != n || err != nil {
				t.Fatalf("%v: %d, %v", sizes, wrote, err)
			}
			total += n
		}
		if len(got.bytes) != total || pauses != total/politePiece || got.most > politePiece {
			t.Errorf("%v: %d of %d bytes, %d pauses, %d at once", sizes, len(got.bytes), total, pauses, got.most)
		}
		for i, b := range got.bytes {
			if b != byte(i) {
				t.Fatalf("%v: byte %d is another", sizes, i)
			}
		}
	}
	full := &polite{to: &sink{room: politePiece + 5}, giveWay: func() {}}
	if n, err := full.Write(make([]byte, 3*politePiece)); n != politePiece+5 || !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("%d, %v", n, err)
	}
}

// sink takes what is written, up to room if that is not 0.
type sink struct {
	bytes      []byte
	most, room int
}

func (s *sink) Write(b []byte) (int, error) {
	n := len(b)
	if s.room > 0 {
		n = min(n, s.room-len(s.bytes))
	}
	s.most = max(s.most, n)
	s.bytes = append(s.bytes, b[:n]...)
	if n < len(b) {
		return n, io.ErrShortWrite
	}
	return n, nil
}
