package engine

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engram-stream/engram/service/internal/admission"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/filter"
	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/session"
	"github.com/engram-stream/engram/service/internal/vfs"
)

// notebook is a log that a test reads.
type notebook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (n *notebook) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.Write(p)
}

// times is how often the log says something.
func (n *notebook) times(what string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Count(n.b.String(), what)
}

// What the log says of the disk.
const (
	saysFilling = "the disk is filling up"
	saysFull    = "the disk is full"
	saysRoom    = "the disk has room"
)

var noMarks = journal.Watermarks{WarnFreeBytes: -1, WarnFreePercent: -1, RefuseFreeBytes: -1, RefuseFreePercent: -1}

// smallDisk starts an engine that fills segments of 64 KiB.
func smallDisk(t *testing.T, fs vfs.FS, marks journal.Watermarks) (*Engine, *notebook) {
	t.Helper()
	book := &notebook{}
	return start(t, fs, func(o *Options) {
		o.Journal.SegmentBytes = 64 << 10
		o.Journal.Watermarks = marks
		o.Log = slog.New(slog.NewTextHandler(book, nil))
	}), book
}

// note makes the number-th of a row of observations of 8 KiB.
func note(number int) Incoming {
	return text(fmt.Sprint("note-", number), fmt.Sprint("note ", number, " ", strings.Repeat("x", 8<<10)))
}

// observe begins a call that takes note number, in a bubble.
func observe(t *testing.T, e *Engine, number int) <-chan error {
	ended := make(chan error, 1)
	go func() {
		_, err := e.Observe(t.Context(), Batch{Space: "notes", Wait: memory.AckVisible, Lane: memory.LaneNormal, In: []Incoming{note(number)}})
		ended <- err
	}()
	synctest.Wait()
	return ended
}

// fill observes notes until one finds no room, and returns its number and
// call. Room is there for what is preallocated, and no more.
func fill(t *testing.T, e *Engine) (number int, ended <-chan error) {
	t.Helper()
	for number = 1; number < 100; number++ {
		ended = observe(t, e, number)
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("note %d: %v", number, err)
			}
		default:
			return number, ended
		}
	}
	t.Fatal("the disk does not fill up")
	return 0, nil
}

// holds fails when the space does not hold exactly the first n notes.
func holds(t *testing.T, e *Engine, n int) {
	t.Helper()
	p, err := e.List(t.Context(), Listing{Space: "notes", Size: MaxPage})
	if err != nil || len(p.Stored) != n {
		t.Fatalf("%d are there, want %d; %v", len(p.Stored), n, err)
	}
	for i, st := range p.Stored {
		if want := memory.ObservationID(fmt.Sprint("note-", i+1)); st.Observation.ID != want || st.Generation != memory.Generation(i+1) {
			t.Fatalf("%s stands at place %d, generation %d", st.Observation.ID, i, st.Generation)
		}
	}
	if n > 0 {
		if got := ask(t, e, "notes", "note 1"); len(got) == 0 {
			t.Error("nothing is recalled")
		}
	}
}

func TestAFullDiskIsWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem(1)
		e, book := smallDisk(t, fs, noMarks)
		c := attach(t, e, OpenStream{Space: "notes", Lane: memory.LaneNormal})
		synctest.Wait()
		fs.SetCapacity(1)
		n, waits := fill(t, e)

		// Nothing is begun, and everybody hears why.
		c.until(func(ev session.Event) bool {
			s, ok := ev.(session.Status)
			return ok && s.State == session.Overloaded && s.Cause == "disk"
		})
		_, unary := e.Observe(t.Context(), Batch{Space: "notes", Lane: memory.LaneNormal, In: []Incoming{note(1000)}})
		_, stream := e.Open(t.Context(), OpenStream{Space: "notes", Lane: memory.LaneNormal})
		_, _, forget := e.Forget(t.Context(), "notes", []memory.ObservationID{"note-1"}, filter.Expr{})
		_, _, create := e.CreateSpace(t.Context(), NewSpace{ID: "another"})
		for what, err := range map[string]error{"observe": unary, "open": stream, "forget": forget, "create": create} {
			f := fault.Of(err)
			if f.Code != fault.ResourceExhausted || f.Reason != fault.DiskPressure || f.RetryAfter <= 0 {
				t.Errorf("%s on a full disk: %v, %v, after %v", what, f.Code, f, f.RetryAfter)
			}
		}
		if ok, why := e.Ready(); ok || !strings.Contains(why, "the disk is full") {
			t.Errorf("ready %v: %q", ok, why)
		}
		if e.State() != Serving || e.monitor.Level() != admission.Overloaded || e.Status().Pressure != 1 || e.Status().Disk != journal.LevelRefuse {
			t.Errorf("state %v, level %v, pressure %v, disk %v", e.State(), e.monitor.Level(), e.Status().Pressure, e.Status().Disk)
		}
		holds(t, e, n-1)

		time.Sleep(time.Hour)
		select {
		case err := <-waits:
			t.Fatalf("the call that had no room ended: %v", err)
		default:
		}
		if n := book.times(saysFull); n != 1 {
			t.Errorf("the log says %d times that the disk is full", n)
		}

		fs.SetCapacity(0)
		time.Sleep(2 * longestRoomPause)
		synctest.Wait()
		select {
		case err := <-waits:
			if err != nil {
				t.Fatalf("the call that had no room, with room: %v", err)
			}
		default:
			t.Fatal("there is room, and the call still waits")
		}
		time.Sleep(2 * diskEvery)
		if err := <-observe(t, e, n+1); err != nil {
			t.Fatalf("with room: %v", err)
		}
		if ok, why := e.Ready(); !ok || book.times(saysFull) != 1 || book.times(saysRoom) != 1 {
			t.Errorf("ready %v, %q; the log says full %d times and room %d times", ok, why, book.times(saysFull), book.times(saysRoom))
		}
		c.st.Close()
		closeEngine(t, e)

		e, _ = smallDisk(t, fs, noMarks)
		defer closeEngine(t, e)
		holds(t, e, n+1)
	})
}

// A server that stops does not wait for room: what nobody was told to be
// durable is given up, and the journal has not failed.
func TestADrainDoesNotWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem(1)
		e, book := smallDisk(t, fs, noMarks)
		if err := <-observe(t, e, 0); err != nil { // there is a space
			t.Fatal(err)
		}
		if _, _, err := e.Forget(t.Context(), "notes", []memory.ObservationID{"note-0"}, filter.Expr{}); err != nil {
			t.Fatal(err)
		}
		fs.SetCapacity(1)
		n, waits := fill(t, e)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := e.Drain(ctx); err != nil || time.Since(began) != 0 {
			t.Errorf("the drain took %v: %v", time.Since(began), err)
		}
		if err := <-waits; reasonOf(err) != fault.DiskPressure {
			t.Errorf("the call that had no room: %v", err)
		}
		if e.State() == Failed || book.times("journal failed") != 0 {
			t.Error("the journal counts as failed")
		}
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		fs.SetCapacity(0)
		e, _ = smallDisk(t, fs, noMarks)
		defer closeEngine(t, e)
		p, err := e.List(t.Context(), Listing{Space: "notes", Size: MaxPage})
		if err != nil || len(p.Stored) != n-1 {
			t.Fatalf("%d are there, want %d; %v", len(p.Stored), n-1, err)
		}
	})
}

// A write that finds the disk full halfway is taken back and made again.
func TestAWriteThatFindsTheDiskFullIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem(1)
		fs := vfs.NewInject(mem, nil)
		e, book := smallDisk(t, fs, noMarks)
		for number := 1; number <= 3; number++ {
			if err := <-observe(t, e, number); err != nil {
				t.Fatal(err)
			}
		}
		fs.SetHook(vfs.FailNth(vfs.OpWrite, 0, syscall.ENOSPC))
		waits := observe(t, e, 4)
		time.Sleep(time.Minute)
		select {
		case err := <-waits:
			t.Fatalf("it ended: %v", err)
		default:
		}
		holds(t, e, 3)
		fs.SetHook(nil)
		if err := <-waits; err != nil {
			t.Fatal(err)
		}
		holds(t, e, 4)
		if book.times(saysFull) != 1 {
			t.Errorf("the log says %d times that the disk is full", book.times(saysFull))
		}
		closeEngine(t, e)
		e, _ = smallDisk(t, mem, noMarks)
		defer closeEngine(t, e)
		holds(t, e, 4)
	})
}

// Before the disk is full there is a warning, and then refusal while there is
// still room for what was granted.
func TestWatermarksWarnBeforeTheyRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem(1)
		marks := journal.Watermarks{WarnFreeBytes: 4 << 20, WarnFreePercent: -1, RefuseFreeBytes: 1 << 20, RefuseFreePercent: -1}
		e, book := smallDisk(t, fs, marks)
		c := attach(t, e, OpenStream{Space: "notes", Lane: memory.LaneNormal})
		if err := <-observe(t, e, 1); err != nil {
			t.Fatal(err)
		}
		u := e.journal.Usage()
		used := int64(u.DiskTotal - u.DiskFree)
		told := func(want session.State) {
			t.Helper()
			c.until(func(ev session.Event) bool {
				s, ok := ev.(session.Status)
				return ok && s.State == want && (s.Cause == "disk" || want == session.Active)
			})
		}

		fs.SetCapacity(used + 3<<20)
		time.Sleep(2 * diskEvery)
		told(session.Warning)
		if st := e.Status(); st.Journal.Level != journal.LevelWarning || st.Disk != journal.LevelWarning || st.Pressure != diskPressure(journal.LevelWarning) || book.times(saysFilling) != 1 || book.times(saysFull) != 0 {
			t.Errorf("level %v, pressure %v, said %d and %d times", st.Journal.Level, st.Pressure, book.times(saysFilling), book.times(saysFull))
		}
		if err := <-observe(t, e, 2); err != nil {
			t.Fatalf("at the warning: %v", err)
		}

		fs.SetCapacity(used + 1<<19)
		time.Sleep(2 * diskEvery)
		told(session.Overloaded)
		if f := fault.Of(<-observe(t, e, 3)); f.Code != fault.ResourceExhausted || f.Reason != fault.DiskPressure || f.RetryAfter <= 0 {
			t.Errorf("below the mark: %v", f)
		}
		// What was granted is kept, as long as the disk holds it.
		if err := c.st.Observe(t.Context(), 1, []Incoming{note(3)}); err != nil {
			t.Fatal(err)
		}
		c.acked(memory.AckVisible, 1)
		holds(t, e, 3)
		if ok, why := e.Ready(); !ok || book.times(saysFull) != 1 {
			t.Errorf("ready %v, %q; said %d times", ok, why, book.times(saysFull))
		}

		fs.SetCapacity(0)
		time.Sleep(2 * diskEvery)
		told(session.Active)
		if err := <-observe(t, e, 4); err != nil || book.times(saysRoom) != 1 {
			t.Errorf("with room: %v; said %d times", err, book.times(saysRoom))
		}
		c.st.Close()
		closeEngine(t, e)
	})
}
