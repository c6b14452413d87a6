package admission

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/engram-stream/engram/service/internal/memory"
)

// client is one stream that keeps to its grant, and what it has been told.
type client struct {
	account *Account
	lane    memory.Lane
	known   memory.Credits
	next    memory.Sequence
	sent    []batch // admitted, not decided
}

type batch struct {
	n     int
	bytes int64
}

func (c *client) look() {
	now := c.account.Credits()
	c.known = memory.Credits{Through: max(c.known.Through, now.Through), Bytes: now.Bytes}
}

func (c *client) outstanding() (n int, bytes int64) {
	for _, b := range c.sent {
		n += b.n
		bytes += b.bytes
	}
	return n, bytes
}

func (c *client) admitted(n int, bytes int64) {
	c.next += memory.Sequence(n)
	c.sent = append(c.sent, batch{n, bytes})
	c.look()
}

func (c *client) decide() {
	b := c.sent[0]
	c.sent = c.sent[1:]
	undecided, _ := c.outstanding()
	c.account.Decided(c.next-1-memory.Sequence(undecided), b.n, b.bytes)
	c.look()
}

// TestProperties drives a small monitor at random: no lane is ever filled past
// its capacity, nobody inside a grant is refused, every place comes back, and
// whoever waits is served once the others are done.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := monitor(rapid.IntRange(1, 40).Draw(t, "items"), int64(rapid.IntRange(1, 400).Draw(t, "KiB"))<<10, Config{})
		var open, gone []*client
		var tickets []*Ticket
		pick := func(t *rapid.T) *client {
			if len(open) == 0 {
				t.Skip("nobody is there")
			}
			return rapid.SampledFrom(open).Draw(t, "client")
		}
		t.Repeat(map[string]func(*rapid.T){
			"open": func(t *rapid.T) {
				w := Window{MaxItems: rapid.IntRange(1, 30).Draw(t, "max"), MinItems: rapid.IntRange(0, 8).Draw(t, "min"), MaxBytes: int64(rapid.IntRange(0, 300).Draw(t, "KiB")) << 10}
				c := &client{lane: memory.Lane(rapid.IntRange(0, 2).Draw(t, "lane")), next: memory.Sequence(rapid.IntRange(1, 5).Draw(t, "next"))}
				c.account = m.Open(c.lane, w, c.next, func(g memory.Credits) { c.known = g })
				c.look()
				open = append(open, c)
			},
			"send inside the grant": func(t *rapid.T) {
				c := pick(t)
				may := int(c.known.Through + 1 - c.next)
				if may <= 0 {
					t.Skip("no credit")
				}
				n, bytes := rapid.IntRange(1, may).Draw(t, "n"), int64(rapid.IntRange(0, 200_000).Draw(t, "bytes"))
				if _, held := c.outstanding(); held+bytes > c.known.Bytes {
					if len(c.sent) > 0 {
						t.Skip("no credit in bytes")
					}
					n = 1 // one may always be outstanding
				}
				if f := c.account.Admit(c.next, n, bytes); f != nil {
					t.Fatalf("refused inside the grant %+v, %d from %d on: %v", c.known, n, c.next, f)
				}
				c.admitted(n, bytes)
			},
			"send beyond the grant": func(t *rapid.T) {
				c := pick(t)
				n, bytes := rapid.IntRange(1, 60).Draw(t, "n"), int64(rapid.IntRange(0, 500_000).Draw(t, "bytes"))
				if f := c.account.Admit(c.next, n, bytes); f == nil {
					c.admitted(n, bytes)
				} else if !f.Retryable {
					t.Fatalf("%v", f)
				}
			},
			"take back": func(t *rapid.T) {
				c := pick(t)
				if len(c.sent) == 0 {
					t.Skip("nothing was sent")
				}
				last := c.sent[len(c.sent)-1]
				c.sent = c.sent[:len(c.sent)-1]
				c.next -= memory.Sequence(last.n)
				c.account.Unadmit(last.n, last.bytes)
				c.look()
			},
			"decide": func(t *rapid.T) {
				if c := rapid.SampledFrom(append(append([]*client{nil}, open...), gone...)).Draw(t, "client"); c != nil && len(c.sent) > 0 {
					c.decide()
				}
			},
			"close": func(t *rapid.T) {
				c := pick(t)
				for i := range open {
					if open[i] == c {
						open = append(open[:i], open[i+1:]...)
						break
					}
				}
				gone = append(gone, c)
				c.account.Close()
			},
			"pause":  func(t *rapid.T) { pick(t).account.Pause() },
			"resume": func(t *rapid.T) { pick(t).account.Resume() },
			"disk":   func(t *rapid.T) { m.SetExternal("disk", rapid.SampledFrom([]float64{0, .7, 1}).Draw(t, "pressure")) },
			"call": func(t *rapid.T) {
				if k, f := m.AdmitCall(memory.Lane(rapid.IntRange(0, 2).Draw(t, "lane")), rapid.IntRange(1, 20).Draw(t, "n"), 100); f == nil {
					tickets = append(tickets, k)
				}
			},
			"end call": func(t *rapid.T) {
				if len(tickets) == 0 {
					t.Skip("no call")
				}
				k := tickets[0]
				tickets = tickets[1:]
				k.Release(k.items, k.bytes)
			},
			"": func(t *rapid.T) {
				var want [lanes]int
				for _, c := range append(append([]*client(nil), open...), gone...) {
					n, _ := c.outstanding()
					want[c.lane] += n + c.account.unspent()
				}
				for _, k := range tickets {
					want[k.lane] += k.items
				}
				for l, s := range m.queue.Stats().Lanes {
					if s.Reserved != want[l] || s.Reserved > s.Capacity.Items || s.ReservedBytes > s.Capacity.Bytes {
						t.Fatalf("lane %d: %+v, want %d reserved", l, s, want[l])
					}
				}
				for _, c := range open {
					if c.known.Through != c.account.Credits().Through {
						t.Fatalf("told %d, granted %d", c.known.Through, c.account.Credits().Through)
					}
				}
			},
		})

		m.SetExternal("disk", 0)
		for _, k := range tickets {
			k.Release(k.items, k.bytes)
		}
		for _, c := range append(append([]*client(nil), open...), gone...) {
			for len(c.sent) > 0 {
				c.decide()
			}
		}
		// All but one of each lane leave; that one must have been served.
		var left [lanes]*client
		for _, c := range open {
			c.account.Resume()
			if left[c.lane] == nil {
				left[c.lane] = c
			} else {
				c.account.Close()
			}
		}
		for _, c := range left {
			if c == nil {
				continue
			}
			if c.look(); c.known.Through < c.next {
				t.Fatalf("%+v waits with nobody else there", c.account)
			}
			c.account.Close()
		}
		for l, s := range m.queue.Stats().Lanes {
			if s.Reserved != 0 || s.ReservedBytes != 0 || m.lanes[l].items != 0 || m.lanes[l].bytes != 0 {
				t.Fatalf("lane %d keeps %d places and %d bytes; %+v", l, s.Reserved, s.ReservedBytes, m.lanes[l])
			}
		}
	})
}
