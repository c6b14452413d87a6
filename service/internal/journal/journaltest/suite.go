package journaltest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/journal"
	"github.com/engram-stream/engram/service/internal/memory"
)

// Log is one log in the hands of a test: it can be opened, closed, and opened
// again with what it holds.
type Log interface {
	Open() (journal.Journal, error)
}

// Factory makes a new, empty log. Its segments, or whatever Trim removes as a
// whole, should be small: a few kilobytes.
type Factory func(t testing.TB) Log

// Run runs the suite.
func Run(t *testing.T, factory Factory) {
	for name, test := range map[string]func(*testing.T, Factory){
		"empty":              testEmpty,
		"fields survive":     testFields,
		"read from position": testReadFrom,
		"async order":        testAsyncOrder,
		"concurrent":         testConcurrent,
		"trim":               testTrim,
		"seal":               testSeal,
		"id":                 testID,
		"refusals":           testRefusals,
		"canceled":           testCanceled,
		"closed":             testClosed,
		"reopen":             testReopen,
	} {
		t.Run(name, func(t *testing.T) { test(t, factory) })
	}
}

// NewFrame makes a frame whose every field follows from n, with a payload of
// size bytes.
func NewFrame(n, size int) *journal.Frame {
	f := &journal.Frame{
		Kind: journal.KindRows, Space: memory.SpaceID(fmt.Sprintf("space-%d", n%7)),
		Incarnation: memory.Incarnation(n * 31), FirstGeneration: memory.Generation(n), Generations: uint32(n % 5),
		CommitTime: int64(n) - 3,
	}
	for i := range n % 3 {
		r := journal.Run{
			Session: memory.SessionID(fmt.Sprintf("session-%d", i)), Incarnation: memory.Incarnation(n),
			First: memory.Sequence(n * 10), Count: uint32(i + 1),
		}
		if i > 0 {
			r.Rejected = []journal.RejectedNumber{{Sequence: r.First, ObservationID: "an id", Reason: "TOO_LARGE", Message: "it was too large"}}
		}
		f.Runs = append(f.Runs, r)
	}
	if size > 0 {
		f.Payload = make([]byte, size)
		for i := range f.Payload {
			f.Payload[i] = byte(n + i)
		}
	}
	return f
}

// Placed is a frame with its position.
type Placed struct {
	Position journal.Position
	Frame    *journal.Frame
}

// ReadAll reads every frame from a position on, payloads copied.
func ReadAll(j journal.Journal, from journal.Position) ([]Placed, error) {
	var all []Placed
	err := j.Read(context.Background(), from, func(pos journal.Position, f *journal.Frame) error {
		kept := *f
		kept.Payload = append([]byte(nil), f.Payload...)
		all = append(all, Placed{pos, &kept})
		return nil
	})
	return all, err
}

func open(t testing.TB, l Log) journal.Journal {
	t.Helper()
	j, err := l.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func appendN(t testing.TB, j journal.Journal, from, to, size int) []Placed {
	t.Helper()
	var all []Placed
	for n := from; n < to; n++ {
		f := NewFrame(n, size)
		pos, err := j.Append(context.Background(), f)
		if err != nil {
			t.Fatalf("append %d: %v", n, err)
		}
		all = append(all, Placed{pos, f})
	}
	return all
}

func wantFrames(t testing.TB, j journal.Journal, from journal.Position, want []Placed) {
	t.Helper()
	got, err := ReadAll(j, from)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("frames from %d (-want +got):\n%s", from, diff)
	}
}

func testEmpty(t *testing.T, factory Factory) {
	j := open(t, factory(t))
	wantFrames(t, j, 0, nil)
	if err := j.Err(); err != nil {
		t.Fatal(err)
	}
	if err := j.Trim(0); err != nil {
		t.Fatal(err)
	}
}

func testFields(t *testing.T, factory Factory) {
	j := open(t, factory(t))
	want := appendN(t, j, 0, 20, 100)
	want = append(want, appendN(t, j, 20, 25, 0)...)
	wantFrames(t, j, 0, want)
	if got := j.Usage().Last; got != want[len(want)-1].Position {
		t.Fatalf("Last = %d, want %d", got, want[len(want)-1].Position)
	}
}

func testReadFrom(t *testing.T, factory Factory) {
	j := open(t, factory(t))
	all := appendN(t, j, 0, 60, 300)
	for i := range all {
		if i > 0 && all[i].Position <= all[i-1].Position {
			t.Fatalf("position %d follows %d", all[i].Position, all[i-1].Position)
		}
		wantFrames(t, j, all[i].Position, all[i:])
	}
	wantFrames(t, j, j.Usage().Durable, nil)
	var position *journal.PositionError
	if _, err := ReadAll(j, j.Usage().Durable+1); !errors.As(err, &position) {
		t.Fatalf("read beyond the end: %v", err)
	}
	if _, err := ReadAll(j, all[7].Position+1); !errors.As(err, &position) {
		t.Fatalf("read within a frame: %v", err)
	}
	stop := errors.New("stop")
	calls := 0
	err := j.Read(context.Background(), 0, func(journal.Position, *journal.Frame) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Fatalf("%v after %d calls", err, calls)
	}
	if err := j.Err(); err != nil {
		t.Fatalf("a caller's mistakes ended the journal: %v", err)
	}
}

func testAsyncOrder(t *testing.T, factory Factory) {
	j := open(t, factory(t))
	var mu sync.Mutex
	var got []journal.Position
	var wg sync.WaitGroup
	const n = 100
	for i := range n {
		wg.Add(1)
		err := j.AppendAsync(NewFrame(i, 50), func(pos journal.Position, err error) {
			defer wg.Done()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			got = append(got, pos)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	all, err := ReadAll(j, 0)
	if err != nil || len(all) != n {
		t.Fatalf("%d frames, %v", len(all), err)
	}
	for i, p := range all {
		if int(p.Frame.FirstGeneration) != i || got[i] != p.Position {
			t.Fatalf("place %d holds frame %d at %d, done said %d", i, p.Frame.FirstGeneration, p.Position, got[i])
		}
	}
}

func testConcurrent(t *testing.T, factory Factory) {
	j := open(t, factory(t))
	const writers, each = 8, 30
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := j.Append(context.Background(), NewFrame(w*1000+i, 100)); err != nil {
					t.Error(err)
					return
				}
				if i%10 == 0 { // reading goes on beside
					if _, err := ReadAll(j, 0); err != nil {
						t.Error(err)
					}
					j.Usage()
				}
			}
		})
	}
	wg.Wait()
	all, err := ReadAll(j, 0)
	if err != nil || len(all) != writers*each {
		t.Fatalf("%d frames, %v", len(all), err)
	}
	next := map[int]int{}
	for _, p := range all {
		w, i := int(p.Frame.FirstGeneration)/1000, int(p.Frame.FirstGeneration)%1000
		if next[w] != i {
			t.Fatalf("writer %d: frame %d in place of %d", w, i, next[w])
		}
		next[w]++
	}
}

func testTrim(t *testing.T, factory Factory) {
	l := factory(t)
	j := open(t, l)
	all := appendN(t, j, 0, 100, 300)
	const keep = 70
	if err := j.Trim(all[keep].Position); err != nil {
		t.Fatal(err)
	}
	wantFrames(t, j, all[keep].Position, all[keep:])
	first := j.Usage().First
	if first == 0 || first > all[keep].Position {
		t.Fatalf("after Trim(%d) the log begins at %d", all[keep].Position, first)
	}
	var trimmed *journal.TrimmedError
	if _, err := ReadAll(j, all[1].Position); !errors.As(err, &trimmed) || trimmed.First != first {
		t.Fatalf("read of what was trimmed: %v", err)
	}
	if err := j.Trim(j.Usage().Durable + 1<<30); err != nil { // never the active one
		t.Fatal(err)
	}
	more := appendN(t, j, 100, 103, 300)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, l)
	wantFrames(t, j, more[0].Position, more)
}

// testSeal wants all that was there removable after a Seal, and a Seal to
// change nothing else.
func testSeal(t *testing.T, factory Factory) {
	l := factory(t)
	j := open(t, l)
	ctx := context.Background()
	seal := func() {
		t.Helper()
		if err := j.Seal(ctx); err != nil {
			t.Fatal(err)
		}
	}
	trim := func() {
		t.Helper()
		if err := j.Trim(j.DurableEnd()); err != nil {
			t.Fatal(err)
		}
	}
	empty := j.DurableEnd()
	seal()
	if end := j.DurableEnd(); end != empty {
		t.Fatalf("sealing an empty log moved its end from %d to %d", empty, end)
	}
	kept := appendN(t, j, 0, 3, 100)
	seal()
	kept = append(kept, appendN(t, j, 3, 5, 100)...)
	wantFrames(t, j, 0, kept)
	wantFrames(t, j, kept[2].Position, kept[2:])
	trim()
	wantFrames(t, j, kept[3].Position, kept[3:])
	if _, err := ReadAll(j, kept[0].Position); err == nil {
		t.Fatal("frames before a Seal survived a Trim behind it")
	}
	seal()
	end := j.DurableEnd()
	seal()
	if again := j.DurableEnd(); again != end {
		t.Fatalf("a second Seal moved the end from %d to %d", end, again)
	}
	trim()
	wantFrames(t, j, 0, nil)
	wantFrames(t, j, end, nil)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Seal(ctx); !errors.Is(err, journal.ErrClosed) {
		t.Fatalf("Seal after Close: %v", err)
	}
	j = open(t, l)
	if got := j.DurableEnd(); got != end {
		t.Fatalf("the end is %d, was %d before it was opened again", got, end)
	}
	more := appendN(t, j, 5, 8, 100)
	wantFrames(t, j, end, more)
	if got, usage := j.DurableEnd(), j.Usage().Durable; got != usage || got <= more[2].Position {
		t.Fatalf("DurableEnd is %d, Usage says %d, the last frame is at %d", got, usage, more[2].Position)
	}
}

// testID wants an id that stays with the log and is no other's.
func testID(t *testing.T, factory Factory) {
	l := factory(t)
	j := open(t, l)
	id := j.ID()
	appendN(t, j, 0, 40, 300)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if got := open(t, l).ID(); got != id {
		t.Fatalf("id %x, was %x", got, id)
	}
	if other := open(t, factory(t)).ID(); other == id {
		t.Fatal("two logs have one id")
	}
}

func testRefusals(t *testing.T, factory Factory) {
	j := open(t, factory(t))
	long := func(n int) string { return string(make([]byte, n)) }
	for name, f := range map[string]*journal.Frame{
		"no kind":      {Space: "abc"},
		"foreign kind": {Kind: 0xff, Space: "abc"},
		"space":        {Kind: journal.KindRows, Space: memory.SpaceID(long(memory.MaxNameLength + 1))},
		"session":      {Kind: journal.KindRows, Runs: []journal.Run{{Session: memory.SessionID(long(65))}}},
		"runs":         {Kind: journal.KindRows, Runs: make([]journal.Run, journal.MaxRuns+1)},
		"message":      {Kind: journal.KindRows, Runs: []journal.Run{{Rejected: []journal.RejectedNumber{{Message: long(journal.MaxMessageLength + 1)}}}}},
		"reason":       {Kind: journal.KindRows, Runs: []journal.Run{{Rejected: []journal.RejectedNumber{{Reason: long(journal.MaxReasonLength + 1)}}}}},
		"size":         {Kind: journal.KindRows, Payload: make([]byte, 1<<30/8)},
	} {
		_, err := j.Append(context.Background(), f)
		var refused *journal.FrameError
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v, want a *FrameError", name, err)
		}
	}
	wantFrames(t, j, 0, nil)
}

// testCanceled wants a frame either refused and absent, or there.
func testCanceled(t *testing.T, factory Factory) {
	j := open(t, factory(t))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	want := []Placed{}
	for n := range 20 {
		f := NewFrame(n, 10)
		pos, err := j.Append(ctx, f)
		switch {
		case err == nil:
			want = append(want, Placed{pos, f})
		case !errors.Is(err, context.Canceled):
			t.Fatal(err)
		}
	}
	appendN(t, j, 20, 21, 1)
	got, err := ReadAll(j, 0)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got[:len(got)-1]); diff != "" {
		t.Fatal(diff)
	}
}

func testClosed(t *testing.T, factory Factory) {
	j := open(t, factory(t))
	for range 2 {
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := j.Append(context.Background(), NewFrame(1, 1)); !errors.Is(err, journal.ErrClosed) {
		t.Fatalf("Append: %v", err)
	}
	if err := j.AppendAsync(NewFrame(1, 1), func(journal.Position, error) { t.Error("done was called") }); !errors.Is(err, journal.ErrClosed) {
		t.Fatalf("AppendAsync: %v", err)
	}
}

// testReopen appends and opens again, in any order and sizes.
func testReopen(t *testing.T, factory Factory) {
	rapid.Check(t, func(rt *rapid.T) {
		l := factory(t)
		var want []Placed
		n := 0
		for range rapid.IntRange(1, 4).Draw(rt, "lives") {
			j, err := l.Open()
			if err != nil {
				rt.Fatal(err)
			}
			for range rapid.IntRange(0, 12).Draw(rt, "frames") {
				f := NewFrame(n, rapid.IntRange(0, 900).Draw(rt, "size"))
				n++
				pos, err := j.Append(context.Background(), f)
				if err != nil {
					rt.Fatal(err)
				}
				want = append(want, Placed{pos, f})
			}
			got, err := ReadAll(j, 0)
			if err != nil {
				rt.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatal(diff)
			}
			if err := j.Close(); err != nil {
				rt.Fatal(err)
			}
		}
	})
}
