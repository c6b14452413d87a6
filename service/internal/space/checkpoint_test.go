package space

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/memory"
)

// many makes n observations named prefix-i, on a circle.
func many(prefix string, n int) []*memory.Observation {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	out := make([]*memory.Observation, n)
	for i := range out {
		out[i] = obs(fmt.Sprintf("%s-%d", prefix, i), float32(r.NormFloat64()), float32(r.NormFloat64()), float32(i))
		out[i].Metadata = map[string]any{"tenth": float64(i % 10)}
		out[i].Digest, _ = memory.DigestOf(out[i])
	}
	return out
}

// state is everything a reader can ask of a world.
func (w *world) state(t testing.TB) string {
	t.Helper()
	if err := w.Wake(); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	st := w.Stats()
	fmt.Fprintln(&b, st.Generation, st.Live, st.Rows, st.Quarantined)
	page, _, _, err := w.Page(w.Current(), 0, nil, 1<<20, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range page {
		fmt.Fprintln(&b, p.Observation.ID, p.Observation.Content, p.Observation.Vector, p.Observation.Metadata, p.Generation, p.CommittedAt, p.Quarantine)
	}
	for _, q := range []*Question{
		{Vector: []float32{1, 0, 50}, Limit: 20},
		{Vector: []float32{1, 0, 50}, Limit: 20, Exact: true},
		{Vector: []float32{0, 1, 2}, Limit: 20, Filter: predicate(t, filter.Expr{All: []filter.Clause{{Key: "metadata.tenth", Op: filter.Equals, Values: []any{3.0}}}})},
	} {
		fmt.Fprintln(&b, names(w.question(t, w.Current(), q)))
	}
	return b.String()
}

func TestACheckpointIsTheSpace(t *testing.T) {
	sizes := []int{0, 1, 15, 16, 17, 100, chunkRows - 1, chunkRows, chunkRows + 1, 2*chunkRows + 700}
	if testing.Short() { // graphs take long to build under the race detector
		sizes = []int{0, 1, 17, chunkRows + 1}
	}
	for _, n := range sizes {
		for _, threshold := range []int{0, 1 << 30} {
			t.Run(fmt.Sprintf("%d rows, threshold %d", n, threshold), func(t *testing.T) {
				d := newDisk(t)
				w := newWorld(Settings{Dimension: 3, Metric: memory.MetricEuclidean, IndexThreshold: threshold, M: 8})
				if n > 0 {
					w.observe(many("a", n)...)
				}
				w.indexAll()
				before := w.state(t)
				w.checkpoint(t, d)
				mustEqual(t, "after the checkpoint", w.state(t), before)
				again := w.restored(t, d)
				if again.Stats().Awake {
					t.Error("a restored space is awake before anybody asks")
				}
				mustEqual(t, "restored", again.state(t), before)
				if n > 0 && threshold == 0 && again.WantsIndexing() {
					t.Error("the graph is to be built again")
				}
				// And it goes on.
				for _, x := range []*world{w, again} {
					x.observe(many("b", 40)...)
					x.observe(replacing(obs("b-3", 0, 0, 9)), obs("a-0", 9, 9, 9))
					x.forget("b-4", "a-7")
					x.indexAll()
				}
				mustEqual(t, "gone on", again.state(t), w.state(t))
				w.checkpoint(t, d)
				mustEqual(t, "restored again", w.restored(t, d).state(t), again.state(t))
			})
		}
	}
}

func TestASpaceFallsAsleepAndWakes(t *testing.T) {
	d := newDisk(t)
	w := newWorld(Settings{Dimension: 3, Metric: memory.MetricEuclidean, IndexThreshold: 0, M: 8})
	w.observe(many("a", 300)...)
	if w.Sleep() {
		t.Fatal("asleep without a checkpoint")
	}
	w.indexAll()
	w.checkpoint(t, d)
	before, held := w.state(t), w.Current()
	if !w.Sleep() || w.Stats().Awake {
		t.Fatal("not asleep")
	}
	// Who reads it goes on reading.
	if got := w.ask(t, held, 300, 0, 0, 0); len(got) != 300 {
		t.Fatalf("a snapshot of before finds %d", len(got))
	}
	awoken := 0
	w.Awoken = func() { awoken++ }
	mustEqual(t, "awake", w.state(t), before)
	if awoken != 1 {
		t.Errorf("told %d times that it woke", awoken)
	}
	// One recall wakes it as well as another; together they wake it once.
	w.checkpoint(t, d)
	if !w.Sleep() {
		t.Fatal("not asleep")
	}
	done := make(chan error)
	for range 8 {
		go func() {
			sn, err := w.Pin(t.Context(), Consistency{})
			if err == nil && sn.Rows() != 300 {
				err = fmt.Errorf("%d rows", sn.Rows())
			}
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if awoken != 2 {
		t.Errorf("told %d times that it woke", awoken)
	}
}

// onDisk is all that the files of a checkpoint directory hold.
func (d *disk) onDisk(t testing.TB) []byte {
	t.Helper()
	var all []byte
	names, err := d.fs.List("checkpoints")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		f, err := d.fs.OpenRead("checkpoints/" + name)
		if err != nil {
			t.Fatal(err)
		}
		size, _ := f.Size()
		b := make([]byte, size)
		if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		all = append(all, b...)
		f.Close() //nolint:errcheck // only read
	}
	return all
}

func TestForgottenBytesLeaveTheCheckpoint(t *testing.T) {
	n := 2*chunkRows + 500
	if testing.Short() {
		n = chunkRows + 500
	}
	d := newDisk(t)
	w := newWorld(Settings{Dimension: 3, Metric: memory.MetricEuclidean, IndexThreshold: 0, M: 8})
	secret := func(id string) *memory.Observation {
		o := obs(id, 1, 2, 3)
		o.Content, o.Metadata = "needle of "+id, map[string]any{"where": "haystack of " + id}
		o.Digest, _ = memory.DigestOf(o)
		return o
	}
	w.observe(many("a", n-1)...)
	w.observe(secret("s-0"))
	w.observe(many("b", 100)...)
	w.indexAll()
	w.checkpoint(t, d)
	w.observe(replacing(secret("s-0")))
	w.forget("a-5")
	w.checkpoint(t, d)
	if !bytes.Contains(d.onDisk(t), []byte("needle of s-0")) {
		t.Fatal("the needle is not in the checkpoint to begin with")
	}
	w.forget("s-0", "a-100", "b-3")
	before := w.state(t)
	w.checkpoint(t, d)
	w.checkpoint(t, d) // two are kept
	all := d.onDisk(t)
	for _, gone := range []string{"needle", "haystack", "text of a-5\x00", "s-0"} {
		if bytes.Contains(all, []byte(gone)) {
			t.Errorf("%q is still on disk", gone)
		}
	}
	mustEqual(t, "without them", w.state(t), before)
	again := w.restored(t, d)
	mustEqual(t, "restored without them", again.state(t), before)
	for _, x := range []*world{w, again} {
		if err := x.Current().graph.Check(); err != nil {
			t.Error(err)
		}
	}
	// Nothing of the first chunk is left: it has no vectors any more.
	var ids []memory.ObservationID
	for i := range chunkRows {
		ids = append(ids, memory.ObservationID(fmt.Sprintf("a-%d", i)))
	}
	bytesBefore := w.Stats().Bytes
	w.forget(ids...)
	before = w.state(t)
	w.checkpoint(t, d)
	if v := w.Current().view; !v.records[0].erased() {
		t.Error("a chunk without a live row keeps its vectors")
	}
	if got := w.Stats().Bytes; got >= bytesBefore-chunkRows*12 {
		t.Errorf("%d bytes, %d before a chunk went", got, bytesBefore)
	}
	mustEqual(t, "without a chunk", w.state(t), before)
	mustEqual(t, "restored without a chunk", w.restored(t, d).state(t), before)
}

func TestSupersededBytesLeaveAfterTheHistory(t *testing.T) {
	d := newDisk(t)
	w := newWorld(Settings{Dimension: 3, IndexThreshold: 1 << 30})
	for range 2 {
		for from := 0; from < chunkRows; from += 1024 {
			batch := many("a", chunkRows)[from : from+1024]
			for i := range batch {
				batch[i] = replacing(batch[i])
				batch[i].Content = fmt.Sprintf("version of %v", w.seq)
				batch[i].Digest, _ = memory.DigestOf(batch[i])
			}
			w.observe(batch...)
		}
	}
	old := w.Current().view.gen(100)
	w.checkpoint(t, d)
	if w.Current().view.records[0].erased() {
		t.Fatal("what history may ask for is gone")
	}
	if _, err := w.Pin(t.Context(), Consistency{Mode: At, Generation: old}); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(time.Hour)
	before := w.state(t)
	w.checkpoint(t, d)
	if !w.Current().view.records[0].erased() {
		t.Error("superseded rows are still there an hour later")
	}
	mustEqual(t, "later", w.state(t), before)
	mustEqual(t, "restored", w.restored(t, d).state(t), before)
}

// TestAFlippedBitIsReported flips bits all over the files of a space and wants
// each to be noticed, or to have hit what nobody reads.
func TestAFlippedBitIsReported(t *testing.T) {
	d := newDisk(t)
	w := newWorld(Settings{Dimension: 3, Metric: memory.MetricEuclidean, IndexThreshold: 0, M: 8})
	w.observe(many("a", chunkRows+50)...)
	w.forget("a-9")
	w.indexAll()
	w.checkpoint(t, d)
	want := w.state(t)
	reported, woken := 0, 0
	names, err := d.fs.List("checkpoints")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".ckpt") {
			continue
		}
		name = "checkpoints/" + name
		size, err := d.fs.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		step := max(1, size/60)
		for at := int64(0); at < size; at += step {
			flip(t, d, name, at)
			d.store.Close() //nolint:errcheck // reopened
			d.open(t)
			s, _, err := Restore(d.store, d.store.Latest().Spaces[0], w.clock)
			told := 0
			if s != nil {
				s.FoundDamaged = func(error) { told++ }
			}
			switch {
			case err != nil:
				reported++
			case s.Wake() != nil:
				if f := fault.Of(s.Wake()); f.Code != fault.DataLoss || f.Reason != fault.SpaceDamaged {
					t.Fatalf("reported as %v", f)
				}
				if told != 1 {
					t.Fatalf("the owner was told %d times", told)
				}
				reported++
				woken++
			default:
				mustEqual(t, fmt.Sprintf("served after byte %d of %s was flipped", at, name), (&world{Space: s, clock: w.clock}).state(t), want)
			}
			flip(t, d, name, at)
		}
	}
	if reported < 60 || woken == 0 {
		t.Errorf("%d flips were reported, %d of them when it was woken", reported, woken)
	}
}

func flip(t *testing.T, d *disk, name string, at int64) {
	t.Helper()
	f, err := d.fs.OpenReadWrite(name)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func FuzzManifest(f *testing.F) {
	w := newWorld(Settings{Dimension: 3})
	w.observe(many("a", 3)...)
	d := newDisk(f)
	e := w.checkpoint(f, d)
	file, err := d.store.File(e.Manifest.File)
	if err != nil {
		f.Fatal(err)
	}
	b, err := file.Section(e.Manifest)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"version":1,"settings":{"id":"abc"},"rows":4096,"chunks":[{"f":1,"o":64,"l":10,"e":9}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeManifest(b)
		if err != nil {
			return
		}
		again, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeManifest(again); err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
	})
}

func FuzzChunk(f *testing.F) {
	for _, erased := range []bool{false, true} {
		c := newColumns(5, 3)
		for i := range c.gens {
			c.gens[i], c.committed[i], c.records.each[i] = uint64(i+1), int64(i), []byte("record")
		}
		var b bytes.Buffer
		if err := writeChunk(&b, c, 5, 3, erased); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := readChunk(b, 5, 3)
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := writeChunk(&again, c, 5, 3, c.records.erased()); err != nil {
			t.Fatal(err)
		}
		if _, err := readChunk(again.Bytes(), 5, 3); err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
	})
}

func FuzzIDTable(f *testing.F) {
	t := idTable{slots: make([]uint64, idSlots(10))}
	for i := range uint32(10) {
		t.add([]byte(fmt.Sprint(i)), i)
	}
	f.Add(bytesOf(t.slots), "3")
	f.Fuzz(func(t *testing.T, b []byte, id string) {
		table, err := openIDTable(b, 10)
		if err != nil {
			return
		}
		table.find(memory.ObservationID(id), func(row uint32) bool {
			if row >= 10 {
				t.Fatalf("row %d of 10", row)
			}
			return false
		})
	})
}
