package queue

import (
	"fmt"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func item(session string, seq int, lane memory.Lane) *Item {
	return &Item{
		Entry: memory.Entry{Session: memory.SessionID(session), Sequence: memory.Sequence(seq)},
		Space: "garden", Lane: lane, Place: lane, Bytes: 10,
	}
}

func names(items []*Item) (s string) {
	for i, it := range items {
		if i > 0 {
			s += " "
		}
		s += fmt.Sprintf("%s%d", it.Session, it.Sequence)
	}
	return s
}

func TestTakeOrder(t *testing.T) {
	const h, n, l = memory.LaneHigh, memory.LaneNormal, memory.LaneLow
	cases := []struct {
		name    string
		weights [memory.LaneCount]int
		push    []*Item
		take    int
		want    string
	}{
		{"one session is first in first out", [3]int{}, []*Item{item("a", 1, n), item("a", 2, n), item("a", 3, n)}, 2, "a1 a2"},
		{"sessions take turns", [3]int{}, []*Item{item("a", 1, n), item("a", 2, n), item("a", 3, n), item("b", 1, n), item("b", 2, n)}, 5, "a1 b1 a2 b2 a3"},
		{"higher lanes first", [3]int{}, []*Item{item("a", 1, l), item("b", 1, n), item("c", 1, h)}, 3, "c1 b1 a1"},
		{"lower lanes keep their share", [3]int{2, 1, 1}, []*Item{
			item("a", 1, h), item("a", 2, h), item("a", 3, h), item("a", 4, h), item("a", 5, h),
			item("b", 1, n), item("b", 2, n), item("c", 1, l), item("c", 2, l),
		}, 9, "a1 a2 b1 c1 a3 a4 b2 c2 a5"},
		{"a lifted item takes along what stands before it, and only that", [3]int{}, []*Item{
			item("b", 1, n), item("a", 1, l), item("a", 2, h), item("a", 3, l), item("b", 2, n),
		}, 5, "a1 a2 b1 b2 a3"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			q := New(Config{Weights: c.weights})
			if !q.Push(c.push) {
				t.Error("Push to an idle space did not make it ready")
			}
			if got := names(q.Take("garden", c.take, nil)); got != c.want {
				t.Errorf("took %q, want %q", got, c.want)
			}
		})
	}
}

func TestTurnsGoOnBetweenBatches(t *testing.T) {
	q := New(Config{Weights: [3]int{2, 1, 1}})
	for i := 1; i <= 30; i++ {
		q.Push([]*Item{item("a", i, memory.LaneHigh), item("c", i, memory.LaneLow)})
	}
	low := 0
	for range 30 { // batches of one must not start every round anew
		for _, it := range q.Take("garden", 1, nil) {
			if it.Lane == memory.LaneLow {
				low++
			}
		}
	}
	if low != 10 {
		t.Errorf("the low lane got %d of 30, want its third", low)
	}
}

func TestIdleCostsNothing(t *testing.T) {
	q := New(Config{})
	for i := range 100 {
		it := item("a", 1, memory.LaneNormal)
		it.Space = memory.SpaceID(fmt.Sprintf("space-%d", i))
		q.Push([]*Item{it})
		q.Done(q.Take(it.Space, 10, nil))
	}
	if len(q.spaces) != 0 || q.Len() != 0 {
		t.Errorf("%d spaces and %d items are left", len(q.spaces), q.Len())
	}
}

func TestDropSpace(t *testing.T) {
	q := New(Config{})
	q.Push([]*Item{item("a", 1, memory.LaneLow), item("a", 2, memory.LaneLow), item("b", 1, memory.LaneHigh)})
	other := item("a", 1, memory.LaneLow)
	other.Space = "attic"
	q.Push([]*Item{other})
	if got := names(q.DropSpace("garden")); got != "b1 a1 a2" {
		t.Errorf("dropped %q", got)
	}
	if q.Pending("garden") != 0 || q.Pending("attic") != 1 || q.Len() != 1 {
		t.Errorf("left: garden %d, attic %d, all %d", q.Pending("garden"), q.Pending("attic"), q.Len())
	}
}

func TestReleaseTooMuchPanics(t *testing.T) {
	q := New(Config{})
	q.Reserve(memory.LaneLow, 2, 20)
	defer func() {
		if recover() == nil {
			t.Error("releasing what was never reserved went unnoticed")
		}
	}()
	q.Release(memory.LaneLow, 3, 20)
}

// TestProperties runs random operations beside a plain model: places never
// exceed capacity, depth is what it should be, every session comes out in
// order, and everything pushed comes out once.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{}
		for l := range cfg.Lanes {
			cfg.Lanes[l] = Capacity{Items: rapid.IntRange(1, 8).Draw(t, "items"), Bytes: int64(rapid.IntRange(1, 80).Draw(t, "bytes"))}
		}
		q := New(cfg)
		lane := rapid.Custom(func(t *rapid.T) memory.Lane { return memory.Lane(rapid.IntRange(0, 2).Draw(t, "lane")) })
		space := rapid.SampledFrom([]memory.SpaceID{"one", "two"})
		type stream struct {
			space   memory.SpaceID
			session memory.SessionID
		}
		var reserved [3]int
		var reservedBytes [3]int64
		pushed, popped := map[stream]memory.Sequence{}, map[stream]memory.Sequence{}
		waiting := map[memory.SpaceID]int{}
		var hand []*Item
		leave := func(items []*Item, from memory.SpaceID) {
			for _, it := range items {
				k := stream{it.Space, it.Session}
				popped[k]++
				if it.Space != from || it.Sequence != popped[k] {
					t.Fatalf("%v of %v came out, want sequence %d", it.Sequence, k, popped[k])
				}
			}
			waiting[from] -= len(items)
		}
		t.Repeat(map[string]func(*rapid.T){
			"reserve": func(t *rapid.T) {
				l, n, b := lane.Draw(t, "l"), rapid.IntRange(0, 5).Draw(t, "n"), int64(rapid.IntRange(0, 50).Draw(t, "b"))
				fits := reserved[l]+n <= cfg.Lanes[l].Items && reservedBytes[l]+b <= cfg.Lanes[l].Bytes
				if got := q.Reserve(l, n, b); got != fits {
					t.Fatalf("Reserve(%v, %d, %d) = %v with %d and %d reserved", l, n, b, got, reserved[l], reservedBytes[l])
				}
				if fits {
					reserved[l] += n
					reservedBytes[l] += b
				}
			},
			"release": func(t *rapid.T) {
				l := lane.Draw(t, "l")
				n, b := rapid.IntRange(0, reserved[l]).Draw(t, "n"), int64(rapid.IntRange(0, int(reservedBytes[l])).Draw(t, "b"))
				q.Release(l, n, b)
				reserved[l] -= n
				reservedBytes[l] -= b
			},
			"push": func(t *rapid.T) {
				s := space.Draw(t, "space")
				var items []*Item
				for range rapid.IntRange(1, 6).Draw(t, "n") {
					k := stream{s, rapid.SampledFrom([]memory.SessionID{"a", "b", "c"}).Draw(t, "session")}
					pushed[k]++
					items = append(items, &Item{Entry: memory.Entry{Session: k.session, Sequence: pushed[k]},
						Space: s, Lane: lane.Draw(t, "l"), Place: lane.Draw(t, "p"), Bytes: 1})
				}
				if got := q.Push(items); got != (waiting[s] == 0) {
					t.Fatalf("becameReady = %v with %d waiting", got, waiting[s])
				}
				waiting[s] += len(items)
			},
			"take": func(t *rapid.T) {
				s, n := space.Draw(t, "space"), rapid.IntRange(0, 5).Draw(t, "n")
				got := q.Take(s, n, nil)
				if len(got) != min(n, waiting[s]) {
					t.Fatalf("took %d of %d, asked for %d", len(got), waiting[s], n)
				}
				leave(got, s)
				hand = append(hand, got...)
			},
			"done": func(t *rapid.T) {
				n := rapid.IntRange(0, len(hand)).Draw(t, "n")
				q.Done(hand[:n])
				hand = hand[n:]
			},
			"drop": func(t *rapid.T) {
				s := space.Draw(t, "space")
				leave(q.DropSpace(s), s)
				if waiting[s] != 0 {
					t.Fatalf("%d are left after a drop", waiting[s])
				}
			},
			"": func(t *rapid.T) {
				s := q.Stats()
				inHand := 0
				for l, ls := range s.Lanes {
					if ls.Reserved != reserved[l] || ls.ReservedBytes != reservedBytes[l] || ls.Reserved > ls.Capacity.Items {
						t.Fatalf("lane %d: %+v, want %d and %d reserved", l, ls, reserved[l], reservedBytes[l])
					}
					inHand += ls.InHand
				}
				all := waiting["one"] + waiting["two"]
				if s.Depth() != all || inHand != len(hand) || q.Len() != all+len(hand) || s.Bytes() != int64(all+len(hand)) {
					t.Fatalf("%+v, want %d waiting and %d in hand", s, all, len(hand))
				}
			},
		})
	})
}
