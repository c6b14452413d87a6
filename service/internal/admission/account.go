package admission

import (
	"time"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// Window bounds what a session may have outstanding.
type Window struct {
	MaxItems int
	MinItems int // what a session gets to start with
	MaxBytes int64
}

// least is the window of a session that has shown no need for more.
func (w Window) least() int { return max(1, min(w.MinItems, w.MaxItems)) }

// minWindowBytes is the smallest byte window worth reserving.
const minWindowBytes = 64 << 10

// Account is the credit of one stream. Its stream's reader calls Admit and
// Unadmit, the worker that holds the space calls Decided, and Close is called
// once, by whoever opened it; Decided may still come after it. All fields are
// guarded by the monitor's mutex.
type Account struct {
	m       *Monitor
	lane    memory.Lane
	limits  Window
	onGrant func(memory.Credits)

	through     memory.Sequence // granted
	next        memory.Sequence // the next number to be admitted
	decided     memory.Sequence // the last number that was
	outstanding int             // admitted and not decided
	bytes       int64           // their encoded bytes
	window      int             // what it has earned, in observations
	spent       int             // admitted since the window last grew
	used        time.Time       // when something was last admitted

	windowBytes int64 // reserved until the account ends; it only grows
	extraBytes  int64 // reserved beyond it, for what is outstanding

	paused  bool
	waiting bool // in line for a first credit
	untold  bool // onGrant has yet to run
	closed  bool
	pace    pace
}

// Open makes the account of a stream whose next number is next. onGrant is
// told when the grant grows later on.
func (m *Monitor) Open(l memory.Lane, w Window, next memory.Sequence, onGrant func(memory.Credits)) *Account {
	a := &Account{m: m, lane: l, limits: w, onGrant: onGrant, next: next, through: next - 1, decided: next - 1, window: w.least()}
	m.mu.Lock()
	defer m.unlock()
	m.lanes[l].accounts++
	a.widen()
	a.extend()
	return a
}

// Credits is the grant as it stands.
func (a *Account) Credits() memory.Credits {
	a.m.mu.Lock()
	defer a.m.unlock()
	return a.credits()
}

func (a *Account) credits() memory.Credits {
	return memory.Credits{Through: a.through, Bytes: a.windowBytes}
}

// unspent is how many credits are granted and not used.
func (a *Account) unspent() int { return int(a.through + 1 - a.next) }

// Admit lets n numbers from first on into the queue, all or nothing. Within
// the grant it always does, except while the server drains or its journal has
// failed; beyond it, when there is room.
func (a *Account) Admit(first memory.Sequence, n int, bytes int64) *fault.Error {
	m := a.m
	m.mu.Lock()
	defer m.unlock()
	if f := m.closed(); f != nil {
		return f
	}
	a.next = first
	last := first + memory.Sequence(n) - 1
	beyond := 0
	if last > a.through {
		beyond = int(last - max(a.through, first-1))
	}
	needBytes := max(0, a.bytes+bytes-a.windowBytes-a.extraBytes)
	if a.outstanding == 0 && n == 1 {
		needBytes = 0 // one may always be outstanding
	}
	if beyond > 0 || needBytes > 0 {
		if f := m.blocked(); f != nil {
			return f
		}
		if !m.queue.Reserve(a.lane, beyond, needBytes) {
			return m.full(a.lane, n, bytes)
		}
		a.extraBytes += needBytes
	}
	a.through = max(a.through, last)
	a.next = last + 1
	a.outstanding += n
	a.bytes += bytes
	a.earn(n)
	m.lanes[a.lane].items += n
	m.lanes[a.lane].bytes += bytes
	m.judge(a.lane)
	return nil
}

// Unadmit takes back the last Admit, which came to nothing: its numbers will
// be sent again. The grant stays.
func (a *Account) Unadmit(n int, bytes int64) {
	a.m.mu.Lock()
	defer a.m.unlock()
	a.next -= memory.Sequence(n)
	a.spent = max(0, a.spent-n)
	a.settle(n, bytes)
	if a.closed {
		a.through = a.next - 1
		a.m.queue.Release(a.lane, n, 0)
		a.m.serve(a.lane)
	}
}

// settle counts n admitted observations as gone.
func (a *Account) settle(n int, bytes int64) {
	ln := &a.m.lanes[a.lane]
	a.outstanding -= n
	a.bytes -= bytes
	ln.items -= n
	ln.bytes -= bytes
	if free := min(a.extraBytes, max(0, a.windowBytes+a.extraBytes-max(a.bytes, a.windowBytes))); free > 0 {
		a.extraBytes -= free
		a.m.queue.Release(a.lane, 0, free)
	}
	if a.closed && a.outstanding == 0 {
		a.m.queue.Release(a.lane, 0, a.windowBytes+a.extraBytes)
		a.windowBytes, a.extraBytes = 0, 0
	}
	a.m.judge(a.lane)
}

// Decided says that n numbers, the last of them through, are durable or given
// up: their places come free, and the grant grows as pressure allows. A number
// is decided once; saying it again changes nothing.
func (a *Account) Decided(through memory.Sequence, n int, bytes int64) {
	m := a.m
	m.mu.Lock()
	defer m.unlock()
	if through <= a.decided {
		return
	}
	a.decided = through
	m.queue.Release(a.lane, n, 0)
	m.drained(n)
	a.settle(n, bytes)
	m.serve(a.lane)
	if a.extend() {
		a.tell()
	}
}

// tell has the callback run for a grown grant.
func (a *Account) tell() {
	if !a.untold {
		a.untold = true
		a.m.news.grown = append(a.m.news.grown, a)
	}
}

// Pause stops the growth of the grant.
func (a *Account) Pause() {
	a.m.mu.Lock()
	a.paused = true
	a.m.mu.Unlock()
}

// Resume lets the grant grow again.
func (a *Account) Resume() {
	a.regrow(func() { a.paused = false })
}

// SetRate sets a ceiling on credits per second; 0 is none.
func (a *Account) SetRate(perSecond float64) {
	a.regrow(func() { a.pace.set(perSecond, a.m.cfg.Clock.Now()) })
}

// regrow changes something and sees whether the grant can grow.
func (a *Account) regrow(change func()) {
	a.m.mu.Lock()
	defer a.m.unlock()
	change()
	if a.extend() {
		a.tell()
	}
}

// Close ends the account: what was granted and not spent comes free. What was
// admitted keeps its places until it is decided.
func (a *Account) Close() {
	m := a.m
	m.mu.Lock()
	defer m.unlock()
	if a.closed {
		return
	}
	a.closed = true
	a.pace.stop()
	m.lanes[a.lane].accounts--
	if n := a.unspent(); n > 0 {
		m.queue.Release(a.lane, n, 0)
		a.through = a.next - 1
	}
	if a.outstanding == 0 {
		m.queue.Release(a.lane, 0, a.windowBytes+a.extraBytes)
		a.windowBytes, a.extraBytes = 0, 0
	}
	m.judge(a.lane)
	m.serve(a.lane)
}

// retryPace is called by the timer that the pace set in a turn. One that had
// already fired when it was stopped comes too late and does nothing.
func (a *Account) retryPace(turn uint64) {
	a.m.mu.Lock()
	defer a.m.unlock()
	if turn != a.pace.turn {
		return
	}
	a.pace.timer = nil
	if a.extend() {
		a.tell()
	}
}
