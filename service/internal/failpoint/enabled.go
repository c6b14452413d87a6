//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// Enabled tells whether this build can fail on purpose.
const Enabled = true

// Variable is the environment variable read at start.
const Variable = "ENGRAM_FAILPOINTS"

// point is one failpoint that is switched on.
type point struct {
	spec Spec
	hits uint64
}

// state is what is switched on. mu guards it and is never held while a hit
// sleeps. stalled holds one channel for each hit that sleeps, which Reset closes:
// made by the sleeper, so that a test in a synctest bubble can wait for it.
var state = struct {
	mu      sync.Mutex
	points  map[string]*point
	stalled map[chan struct{}]struct{}
}{points: map[string]*point{}, stalled: map[chan struct{}]struct{}{}}

// A configuration that cannot be read stops the process: a test build that
// quietly fails nowhere would make its test worthless.
func init() {
	specs, err := ParseConfig(os.Getenv(Variable))
	if err != nil {
		panic(fmt.Sprintf("%s: %v", Variable, err))
	}
	for name, spec := range specs {
		state.points[name] = &point{spec: spec}
	}
}

// Hit passes the failpoint of this name and does what its spec says: it may
// panic, stall until the delay is over or [Reset] is called, or return an
// [*InjectedError]. A name that is not in the table panics.
func Hit(name string) error {
	if !known(name) {
		panic("unknown failpoint " + name)
	}
	state.mu.Lock()
	p := state.points[name]
	if p == nil {
		state.mu.Unlock()
		return nil
	}
	p.hits++
	spec, acts := p.spec, p.spec.Acts(p.hits)
	state.mu.Unlock()
	if !acts {
		return nil
	}
	switch spec.Action {
	case Panic:
		panic((&InjectedError{Name: name, Text: spec.Text}).Error())
	case Error:
		return &InjectedError{Name: name, Text: spec.Text}
	case Delay:
		stall(spec.Delay)
	}
	return nil
}

// stall sleeps for d or until Reset.
func stall(d time.Duration) {
	woken := make(chan struct{})
	state.mu.Lock()
	state.stalled[woken] = struct{}{}
	state.mu.Unlock()
	defer func() {
		state.mu.Lock()
		defer state.mu.Unlock()
		delete(state.stalled, woken)
	}()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-woken:
	}
}

// Set switches the failpoint of this name to spec and starts counting its hits
// anew.
func Set(name, spec string) error {
	if !known(name) {
		return &SyntaxError{Text: name, Why: "unknown name"}
	}
	s, err := ParseSpec(spec)
	if err != nil {
		return err
	}
	state.mu.Lock()
	defer state.mu.Unlock()
	state.points[name] = &point{spec: s}
	return nil
}

// Reset switches every failpoint off and wakes the hits that are stalled.
func Reset() {
	state.mu.Lock()
	defer state.mu.Unlock()
	clear(state.points)
	for woken := range state.stalled {
		close(woken)
	}
	clear(state.stalled)
}
