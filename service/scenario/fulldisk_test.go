//go:build failpoints && linux

package scenario

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	engram "github.com/engram-stream/engram/sdk/go"
)

// A disk fills up, by the server's own writing and then at one blow by another's:
// clients are warned and then refused, recalls go on, nothing acked is lost,
// and when there is room again everything goes on by itself.
func TestFullDisk(t *testing.T) {
	const mib = 1 << 20
	ns := isolate(t, "mount")
	dir := t.TempDir()
	ns.mount(t, "tmpfs", "tmpfs", "size=64m", dir)
	other := &ballast{t: t, ns: ns, name: filepath.Join(dir, "ballast")}
	s := ns.server(t, dir, "", "--journal-segment-bytes", "1MiB", "--journal-warn-free", "16MiB", "--journal-refuse-free", "4MiB")
	c, ctx := s.dial()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	moved := make(chan struct{}, 1)
	heard := &weather{changed: make(chan struct{}, 1)}
	w := newStreamer(t, ctx, c, "kept", "s", moved)
	w.pad = strings.Repeat("memory ", 600)
	w.opts = []engram.SessionOption{engram.OnStatus(heard.add)}
	f := newForgetter([]*streamer{w}) // which is asked, and forgets nothing here
	// full checks what holds while the disk is.
	full := func() {
		t.Helper()
		k := f.known()
		if _, err := c.Observe(ctx, "kept", []engram.Observation{w.observation(1 << 40)}); !engram.IsRefused(err) || engram.ReasonOf(err) != "DISK_PRESSURE" {
			t.Fatalf("a call on a full disk: %v", err)
		}
		list := all(t, ctx, c, "kept")
		f.check(t, k, list)
		// What was granted may still be replacing some of them.
		numbers := slices.DeleteFunc(sorted(t, list, f.ws)[w], func(n uint64) bool { return kindOf(n) == kindSwap })
		w.recall(numbers[len(numbers)-200:])
		if st, err := c.Status(ctx); err != nil || st.Pressure != 1 || st.Journal.Failure != "" {
			t.Fatalf("%v, %v", st, err)
		}
	}

	// Its own writing: the marks are passed one after the other.
	other.grow(24 * mib)
	w.allow(1 << 20)
	w.open()
	heard.await(t, ctx, "OVERLOADED")
	full()
	states := heard.states()
	if i, k := slices.Index(states, "WARNING"), slices.Index(states, "OVERLOADED"); i < 0 || i > k {
		t.Errorf("the states were %v: no warning before the refusal", states)
	}
	w.limit.Store(w.sent.Load() + 400) // enough to see it go on
	other.shrink()
	await(t, ctx, moved, f.ws, w.limit.Load())
	before := w.acked.Load()

	// Another's writing: there is room for no more than what is set aside.
	heard.forget()
	other.grow(64 * mib)
	w.allow(1500)
	heard.await(t, ctx, "OVERLOADED")
	full()
	if acked := w.acked.Load(); acked == before+1500 {
		t.Error("the disk was not full")
	}
	other.shrink()
	await(t, ctx, moved, f.ws, before+1500)
	w.finish()

	end := func(when string) {
		t.Helper()
		list := all(t, ctx, c, "kept")
		f.check(t, f.known(), list)
		numbers := sorted(t, list, f.ws)[w]
		if w.acked.Load() != w.sent.Load() || numbers[len(numbers)-1] != w.sent.Load() {
			t.Errorf("%s: %d sent, %d acked, %d the last that is there", when, w.sent.Load(), w.acked.Load(), numbers[len(numbers)-1])
		}
	}
	end("with room again")
	s.kill()
	s.again()
	end("after kill -9")
	t.Logf("%d sent, %d of them when the disk was full; the states were %v", w.sent.Load(), 1500, states)
	s.stop()
}

// ballast is a file of somebody else's.
type ballast struct {
	t    *testing.T
	ns   *namespace
	name string
}

// grow writes the file, as large as asked or as the disk allows.
func (b *ballast) grow(size int) {
	b.t.Helper()
	var err error
	b.ns.do(func() {
		var f *os.File
		if f, err = os.Create(b.name); err != nil {
			return
		}
		chunk := make([]byte, 64<<10)
		for n := 0; n < size && err == nil; n += len(chunk) {
			_, err = f.Write(chunk)
		}
		if errors.Is(err, unix.ENOSPC) {
			err = nil
		}
		err = errors.Join(err, f.Close())
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// shrink removes it.
func (b *ballast) shrink() {
	b.t.Helper()
	var err error
	b.ns.do(func() { err = os.Remove(b.name) })
	if err != nil {
		b.t.Fatal(err)
	}
}

// weather collects the pressure of the disk that a session is told of.
type weather struct {
	changed chan struct{}

	mu   sync.Mutex
	list []engram.Status
}

func (w *weather) add(s engram.Status) {
	if s.Cause != "disk" {
		return
	}
	w.mu.Lock()
	w.list = append(w.list, s)
	w.mu.Unlock()
	poke(w.changed)
}

func (w *weather) forget() {
	w.mu.Lock()
	w.list = nil
	w.mu.Unlock()
}

func (w *weather) states() (out []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.list {
		out = append(out, s.State)
	}
	return out
}

// await waits for a state, which has to say when to come back.
func (w *weather) await(t *testing.T, ctx context.Context, state string) {
	t.Helper()
	for {
		w.mu.Lock()
		for _, s := range w.list {
			if s.State == state {
				w.mu.Unlock()
				if s.RetryAfter <= 0 {
					t.Errorf("%+v says nothing of when to come back", s)
				}
				return
			}
		}
		w.mu.Unlock()
		select {
		case <-w.changed:
		case <-ctx.Done():
			t.Fatalf("%s never came; the states were %v", state, w.states())
		}
	}
}
