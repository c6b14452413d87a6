package doctor_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/engram-stream/engram/service/internal/checkpoint"
	"github.com/engram-stream/engram/service/internal/doctor"
	"github.com/engram-stream/engram/service/internal/engine"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/telemetry"
	"github.com/engram-stream/engram/service/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const segmentBytes = 8 << 10

func options(disk vfs.FS, dir string) engine.Options {
	return engine.Options{
		Journal:    journal.Options{FS: disk, Dir: dir + "/journal", SegmentBytes: segmentBytes},
		Checkpoint: engine.CheckpointOptions{Dir: dir + "/checkpoints", ScrubEvery: -1, HibernateAfter: -1},
	}
}

// serve opens an engine over a data directory.
func serve(t *testing.T, disk vfs.FS, dir string) *engine.Engine {
	t.Helper()
	e, err := engine.New(t.Context(), options(disk, dir))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func stop(t *testing.T, e *engine.Engine) {
	t.Helper()
	if err := errors.Join(e.Drain(t.Context()), e.Close()); err != nil {
		t.Fatal(err)
	}
}

// observe makes observations from..to of a space visible, ten a call.
func observe(t *testing.T, e *engine.Engine, name memory.SpaceID, from, to int) {
	t.Helper()
	for i := from; i < to; i += 10 {
		b := engine.Batch{Space: name, Wait: memory.AckVisible, Lane: memory.LaneNormal}
		for k := i; k < min(i+10, to); k++ {
			o := &memory.Observation{ID: memory.ObservationID(fmt.Sprint("o", k)), Content: fmt.Sprint("text ", k), Vector: []float32{float32(k), 1, 2}, Encoding: memory.EncodingValues}
			b.In = append(b.In, engine.Incoming{Observation: o, Bytes: 40, Trip: telemetry.Trip{Began: time.Now()}})
		}
		if _, err := e.Observe(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, e *engine.Engine) {
	t.Helper()
	if _, err := e.Checkpoint(t.Context(), engine.CheckpointWish{}); err != nil {
		t.Fatal(err)
	}
}

// lived makes a data directory with two checkpoints and a journal that goes on
// behind them.
func lived(t *testing.T) *vfs.Mem {
	t.Helper()
	disk := vfs.NewMem(1)
	e := serve(t, disk, "data")
	observe(t, e, "notes", 0, 200)
	observe(t, e, "other", 0, 30)
	write(t, e)
	observe(t, e, "notes", 200, 300)
	if _, _, err := e.Forget(t.Context(), "notes", []memory.ObservationID{"o1", "o250"}, filter.Expr{}); err != nil {
		t.Fatal(err)
	}
	observe(t, e, "brief", 0, 10)
	if _, err := e.DeleteSpace(t.Context(), "brief"); err != nil {
		t.Fatal(err)
	}
	write(t, e)
	observe(t, e, "notes", 300, 500)
	observe(t, e, "late", 0, 20)
	stop(t, e)
	return disk
}

// killed is lived, and then killed while its journal had more than any
// checkpoint.
func killed(t *testing.T) *vfs.Mem {
	t.Helper()
	disk := lived(t)
	e := serve(t, disk, "data")
	observe(t, e, "notes", 600, 700)
	after := disk.Crash()
	stop(t, e)
	return after
}

func examine(t *testing.T, disk vfs.FS, dir string) *doctor.Report {
	t.Helper()
	r, err := doctor.Examine(disk, dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tell gives the findings as one text.
func tell(r *doctor.Report) string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "damage %v: %s at %d: %s; lost: %s; do: %s\n", f.Damage, f.File, f.Offset, f.What, f.Lost, f.Do)
	}
	return b.String()
}

func files(t *testing.T, disk vfs.FS, dir string) (out []string) {
	t.Helper()
	for _, part := range []string{"journal", "checkpoints"} {
		names, err := disk.List(dir + "/" + part)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			if n != "LOCK" {
				out = append(out, path.Join(dir, part, n))
			}
		}
	}
	return out
}

func edit(t *testing.T, disk vfs.FS, name string, change func(vfs.File) error) {
	t.Helper()
	f, err := disk.OpenReadWrite(name)
	if err == nil {
		err = errors.Join(change(f), f.Sync(), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func flip(t *testing.T, disk vfs.FS, name string, off int64) {
	edit(t, disk, name, func(f vfs.File) error {
		var b [1]byte
		if _, err := f.ReadAt(b[:], off); err != nil {
			return err
		}
		b[0] ^= 1 << (off % 8)
		_, err := f.WriteAt(b[:], off)
		return err
	})
}

var wholeSpaces = []doctor.Space{{Name: "late", Generation: 20}, {Name: "notes", Generation: 501}, {Name: "other", Generation: 30}}

func TestSound(t *testing.T) {
	r := examine(t, lived(t), "data")
	if !r.Sound || len(r.Findings) > 0 || r.Kind != doctor.DataDirectory {
		t.Fatal(tell(r))
	}
	if len(r.Catalogs) != 2 || !r.Catalogs[0].InForce || !r.Catalogs[0].Whole || !r.Catalogs[1].Whole || r.Files == 0 {
		t.Errorf("%+v", r.Catalogs)
	}
	if !reflect.DeepEqual(r.Spaces, wholeSpaces) {
		t.Errorf("%+v", r.Spaces)
	}
	if j := r.Journal; j.Frames == 0 || !j.Clean || j.First == 0 {
		t.Errorf("%+v: not trimmed, or not closed", j)
	}
}

// Wherever a bit flips, the file and the place are named. Only behind the last
// thing that was written may it be what a crash can leave, too.
func TestFlippedBits(t *testing.T) {
	t.Run("closed", func(t *testing.T) {
		if gaps := flipAll(t, lived(t)); gaps > 0 {
			t.Errorf("%d gaps, though the checkpoints have everything", gaps)
		}
	})
	t.Run("killed", func(t *testing.T) {
		if flipAll(t, killed(t)) == 0 {
			t.Error("no gap, though the journal alone has the newest generations")
		}
	})
}

// flipAll flips bits all over a data directory, and counts the gaps between
// generations that were told.
func flipAll(t *testing.T, disk *vfs.Mem) (gaps int) {
	flips, notes := 0, 0
	for _, name := range files(t, disk, "data") {
		size, err := disk.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		step := max(1, size/300)
		for off := int64(0); off < size; off += step + off%3 {
			flip(t, disk, name, off)
			r := examine(t, disk, "data")
			named, damage := false, false
			for _, f := range r.Findings {
				named = named || f.File == name && f.Offset <= off && f.Lost != "" && f.Do != ""
				damage = damage || f.Damage
				if strings.Contains(f.What, "goes from generation") {
					gaps++
				}
			}
			if !named || damage == r.Sound {
				t.Fatalf("byte %d of %s, sound %v:\n%s", off, name, r.Sound, tell(r))
			}
			if flips++; r.Sound {
				notes++
				if !strings.HasSuffix(name, ".seg") {
					t.Fatalf("byte %d of %s is only worth knowing:\n%s", off, name, tell(r))
				}
			}
			flip(t, disk, name, off)
		}
	}
	if flips < 1000 || notes > flips/2 {
		t.Errorf("%d flips, %d of them taken for what a crash leaves", flips, notes)
	}
	return gaps
}

func TestMissingAndCutFiles(t *testing.T) {
	whole := lived(t)
	names := files(t, whole, "data")
	for _, name := range names {
		disk := whole.Crash()
		if err := disk.Remove(name); err != nil {
			t.Fatal(err)
		}
		r := examine(t, disk, "data")
		spare := name == names[segmentsIn(names)-1]
		newest := strings.HasSuffix(name, fmt.Sprintf("catalog-%016x", 2))
		// Without its catalog file the newest checkpoint was never there: what
		// the journal has makes up for it. The spare is made anew.
		if r.Sound != (spare || strings.Contains(name, "catalog-")) && !newest {
			t.Errorf("without %s: sound %v\n%s", name, r.Sound, tell(r))
		}
		if !r.Sound && !strings.Contains(tell(r), path.Base(name)) && !strings.Contains(name, "journal") {
			t.Errorf("without %s it is not named:\n%s", name, tell(r))
		}
		if strings.Contains(name, "journal") {
			continue
		}
		disk = whole.Crash()
		edit(t, disk, name, func(f vfs.File) error { return f.Truncate(100) })
		if r := examine(t, disk, "data"); r.Sound || !strings.Contains(tell(r), path.Base(name)) {
			t.Errorf("with %s cut: %s", name, tell(r))
		}
	}
}

func segmentsIn(names []string) (n int) {
	for _, name := range names {
		if strings.HasSuffix(name, ".seg") {
			n++
		}
	}
	return n
}

// Halves that do not belong together, and a server that ran on one of them.
func TestHalves(t *testing.T) {
	whole := lived(t)
	remove := func(disk vfs.FS, part string) {
		names, err := disk.List("data/" + part)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			if err := disk.Remove(path.Join("data", part, n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	disk := whole.Crash()
	remove(disk, "checkpoints")
	if r := examine(t, disk, "data"); r.Sound || !strings.Contains(tell(r), "there is no checkpoint with what came before") {
		t.Error("without checkpoints:", tell(r))
	}
	if e, err := engine.New(t.Context(), options(disk, "data")); err == nil || !strings.Contains(err.Error(), "there is no checkpoint with what came before") {
		t.Error("an engine starts without its checkpoints:", e, err)
	}
	disk = whole.Crash()
	remove(disk, "journal")
	if r := examine(t, disk, "data"); r.Sound || !strings.Contains(tell(r), "no journal") {
		t.Error("without a journal:", tell(r))
	}
	j, err := journal.Open(journal.Options{FS: disk, Dir: "data/journal"})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if r := examine(t, disk, "data"); r.Sound || !strings.Contains(tell(r), "belong to journal") {
		t.Error("with another journal:", tell(r))
	}
}

func TestCannotLook(t *testing.T) {
	disk := vfs.NewMem(1)
	if err := disk.MkdirAll("empty"); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"empty", "nowhere"} {
		if r, err := doctor.Examine(disk, dir); err == nil {
			t.Errorf("%s: %+v", dir, r)
		}
	}
}

// A backup is taken while the engine goes on, is sound, and what is restored of
// it has everything from before, and keeps what comes after.
func TestBackupAndRestore(t *testing.T) {
	disk := lived(t)
	e := serve(t, disk, "data")
	content := map[checkpoint.FileID]*bytes.Buffer{}
	var catalog *checkpoint.Catalog
	err := e.Backup(t.Context(), func(p engine.BackupPart) error {
		if p.Begin != nil {
			catalog = p.Begin.Catalog
			observe(t, e, "notes", 500, 600) // it goes on, and is not in it
			write(t, e)
			write(t, e)
			return nil
		}
		if content[p.File] == nil {
			content[p.File] = &bytes.Buffer{}
		}
		if len(p.Data) > engine.BackupChunk || int(p.Offset) != content[p.File].Len() {
			t.Errorf("%d bytes at %d of file %x", len(p.Data), p.Offset, p.File)
		}
		_, err := content[p.File].Write(p.Data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	stop(t, e)
	open := func(id checkpoint.FileID) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content[id].Bytes())), nil
	}
	for _, dir := range []string{"backup", "restored/checkpoints"} {
		if err := checkpoint.Install(disk, dir, *catalog, open); err != nil {
			t.Fatal(err)
		}
	}
	if r := examine(t, disk, "backup"); !r.Sound || r.Kind != doctor.Backup || !reflect.DeepEqual(r.Spaces, wholeSpaces) {
		t.Errorf("%+v\n%s", r, tell(r))
	}
	if err := journal.Create(journal.Options{FS: disk, Dir: "restored/journal", SegmentBytes: segmentBytes}, catalog.Journal, journal.Position(catalog.Position)); err != nil {
		t.Fatal(err)
	}
	if r := examine(t, disk, "restored"); !r.Sound || !reflect.DeepEqual(r.Spaces, wholeSpaces) {
		t.Errorf("%+v\n%s", r, tell(r))
	}
	// Twice: the second start reads frames that were written behind the backup.
	for n := range 2 {
		e = serve(t, disk, "restored")
		observe(t, e, "notes", 500+50*n, 550+50*n)
		sp, err := e.Space("notes")
		if err != nil {
			t.Fatal(err)
		}
		if st := sp.Stats(); st.Generation != memory.Generation(551+50*n) || st.Live != int64(548+50*n) {
			t.Errorf("start %d: generation %d, %d live", n, st.Generation, st.Live)
		}
		stop(t, e)
	}
	if r := examine(t, disk, "restored"); !r.Sound {
		t.Error(tell(r))
	}
}

// What a backup would lack is not passed over: while a space cannot be read and
// the journal has more of it, there is none.
func TestBackupOfADamagedSpace(t *testing.T) {
	disk := killed(t)
	for _, name := range files(t, disk, "data") {
		if strings.HasSuffix(name, ".ckpt") {
			flip(t, disk, name, 100)
		}
	}
	e := serve(t, disk, "data")
	defer stop(t, e)
	err := e.Backup(t.Context(), func(engine.BackupPart) error { return errors.New("something is sent") })
	if f := fault.Of(err); f.Code != fault.DataLoss || f.Reason != fault.SpaceDamaged {
		t.Errorf("%v", err)
	}
	if r := examine(t, disk, "data"); r.Sound || !strings.Contains(tell(r), "notes") {
		t.Error(tell(r))
	}
}
