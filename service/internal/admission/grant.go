package admission

import (
	"time"

	"github.com/engram-stream/engram/service/internal/memory"
)

// reserveShare is the part of a lane that grants leave free, for those who
// come new and for calls.
const reserveShare = 10 // a tenth

// extend grows the grant, in observations and in bytes, as far as the account's
// window, its share and the room there is allow, and reports whether it grew.
// The mutex is held.
func (a *Account) extend() bool {
	m := a.m
	if a.closed || a.paused || m.closed() != nil {
		return false
	}
	if m.blocked() != nil {
		a.queueUp()
		return false
	}
	earned := a.spent >= max(1, a.window/2) && m.lanes[a.lane].level < Critical
	if earned {
		a.window, a.spent = min(2*a.window, a.limits.MaxItems), 0
	}
	// Who came while there was no room in bytes must not stay without.
	grew := (earned || a.windowBytes == 0) && a.widen()
	held := a.unspent() + a.outstanding
	want := m.target(a) - held
	// Grants come in pieces worth an ack, except to whoever has nothing.
	if want <= 0 || (want < a.window/8 && a.unspent() > 0) {
		return grew
	}
	want = a.pace.allow(want, m.cfg.Clock.Now(), a.retryPace)
	for n := want; n > 0; n /= 2 {
		if m.queue.Reserve(a.lane, n, 0) {
			a.pace.take(n)
			a.through += memory.Sequence(n)
			return true
		}
	}
	if want > 0 {
		a.queueUp()
	}
	return grew
}

// widen reserves a byte window, or a larger one, as the room there is allows,
// and reports whether it did: an eighth of what is free at most, so that much
// is left for others however many come. The mutex is held.
func (a *Account) widen() bool {
	q, least := a.m.queue, max(1, min(minWindowBytes, a.limits.MaxBytes))
	for b := min(a.limits.MaxBytes, max(minWindowBytes, q.Free(a.lane).Bytes/8)) - a.windowBytes; b >= least; b /= 2 {
		if q.Reserve(a.lane, 0, b) {
			a.windowBytes += b
			return true
		}
	}
	return false
}

// queueUp puts an account that has nothing, and so nothing that could bring it
// a grant, in line.
func (a *Account) queueUp() {
	if a.unspent()+a.outstanding == 0 && !a.waiting {
		a.waiting = true
		a.m.lanes[a.lane].waiting = append(a.m.lanes[a.lane].waiting, a)
	}
}

// idleAfter is how long a session sends nothing until it has to earn its
// window anew.
const idleAfter = 10 * time.Second

// earn counts n admitted observations towards a larger window.
func (a *Account) earn(n int) {
	now := a.m.cfg.Clock.Now()
	if now.Sub(a.used) > idleAfter && !a.used.IsZero() {
		a.window, a.spent = a.limits.least(), 0
	}
	a.used = now
	a.spent += n
}

// target is how much the account may hold: its window, as long as its share of
// the lane allows.
func (m *Monitor) target(a *Account) int {
	ln := &m.lanes[a.lane]
	free, capacity := m.queue.Free(a.lane).Items, m.queue.Capacity(a.lane).Items
	window := a.window
	if ln.level >= Critical {
		window = min(window, a.limits.least())
	}
	held := a.unspent() + a.outstanding
	share := max(1, (free-capacity/reserveShare)/max(1, ln.accounts)+held)
	return min(window, share)
}

// serve gives to those in line, first come first served, while there is room.
func (m *Monitor) serve(l memory.Lane) {
	ln := &m.lanes[l]
	for len(ln.waiting) > 0 && m.blocked() == nil {
		a := ln.waiting[0]
		a.waiting = false
		ln.waiting = ln.waiting[1:]
		if a.closed || a.unspent() > 0 {
			continue
		}
		if a.extend() {
			a.tell()
		}
		if a.waiting {
			// Still no room: back to the head of the line.
			n := len(ln.waiting) - 1
			copy(ln.waiting[1:], ln.waiting[:n])
			ln.waiting[0] = a
			return
		}
	}
	if len(ln.waiting) == 0 {
		ln.waiting = nil
	}
}

// pace is a token bucket on credits. The zero value lets everything pass.
type pace struct {
	rate   float64 // credits a second; 0 is no limit
	tokens float64
	at     time.Time
	timer  *time.Timer
	turn   uint64 // of the timer; raised when one is stopped
}

func (p *pace) set(rate float64, now time.Time) {
	p.rate, p.at = max(0, rate), now
	p.tokens = min(p.tokens, p.burst())
	p.stop()
}

// burst is how many credits can be saved up: a second's worth, and never less
// than one, or a rate below one would grant nothing at all.
func (p *pace) burst() float64 { return max(1, p.rate) }

// allow is how many of n credits may be granted now; when it is fewer, again
// is called once there are more.
func (p *pace) allow(n int, now time.Time, again func(turn uint64)) int {
	if p.rate == 0 {
		return n
	}
	p.tokens = min(p.burst(), p.tokens+now.Sub(p.at).Seconds()*p.rate)
	p.at = now
	if have := int(p.tokens); have < n {
		if p.timer == nil {
			left := float64(n - have) // what there is now will be taken
			need := min(left, max(1, p.rate/20)) - (p.tokens - float64(have))
			turn := p.turn
			p.timer = time.AfterFunc(time.Duration(max(.001, need/p.rate)*float64(time.Second)), func() { again(turn) })
		}
		return have
	}
	return n
}

func (p *pace) take(n int) {
	if p.rate != 0 {
		p.tokens -= float64(n)
	}
}

func (p *pace) stop() {
	p.turn++
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
}
