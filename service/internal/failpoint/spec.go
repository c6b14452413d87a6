package failpoint

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxDelay bounds how long one hit may stall.
const MaxDelay = time.Hour

// Action is what a failpoint does when it acts.
type Action uint8

// The actions. The zero value does nothing.
const (
	Off Action = iota
	Panic
	Error
	Delay
)

var actionNames = [...]string{"off", "panic", "error", "delay"}

// String gives the action as the grammar spells it.
func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return fmt.Sprintf("action(%d)", uint8(a))
}

// When chooses among the hits of a failpoint.
type When uint8

// The choices, with N of the [Spec].
const (
	Always When = iota // every hit
	Nth                // the N-th hit only
	Every              // each N-th hit
	Times              // the first N hits
)

// Spec says what one failpoint does, and on which hits.
type Spec struct {
	Action Action
	Text   string        // of Panic and Error; may be empty
	Delay  time.Duration // of Delay, 0..MaxDelay
	When   When
	N      uint64 // ≥ 1 unless When is Always
}

// Acts reports whether the hit with this number (from 1) acts.
func (s Spec) Acts(hit uint64) bool {
	switch s.When {
	case Nth:
		return hit == s.N
	case Every:
		return hit%s.N == 0
	case Times:
		return hit <= s.N
	default:
		return true
	}
}

// String gives the spec in the grammar; [ParseSpec] reads it back.
func (s Spec) String() string {
	var b strings.Builder
	b.WriteString(s.Action.String())
	switch {
	case s.Action == Delay:
		fmt.Fprintf(&b, "(%s)", s.Delay)
	case s.Text != "":
		fmt.Fprintf(&b, "(%s)", s.Text)
	}
	switch s.When {
	case Nth:
		fmt.Fprintf(&b, "@%d", s.N)
	case Every:
		fmt.Fprintf(&b, "@every:%d", s.N)
	case Times:
		fmt.Fprintf(&b, "@times:%d", s.N)
	}
	return b.String()
}

// SyntaxError says which part of a failpoint configuration cannot be read.
type SyntaxError struct {
	Text string // the part
	Why  string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("parse failpoint %q: %s", e.Text, e.Why) }

// ParseSpec reads one spec: action[(argument)][@when].
func ParseSpec(text string) (Spec, error) {
	var s Spec
	bad := func(why string) (Spec, error) { return Spec{}, &SyntaxError{Text: text, Why: why} }

	// The argument may contain anything but parentheses and semicolons, also
	// an "@", so it is cut out before the condition is looked for.
	rest := strings.TrimSpace(text)
	end := strings.IndexAny(rest, "(@")
	if end < 0 {
		end = len(rest)
	}
	action, rest := rest[:end], rest[end:]
	argument, hasArgument := "", false
	if strings.HasPrefix(rest, "(") {
		closing := strings.IndexByte(rest, ')')
		if closing < 0 {
			return bad("the argument is not closed")
		}
		argument, rest, hasArgument = rest[1:closing], rest[closing+1:], true
		if strings.ContainsAny(argument, "(;") {
			return bad("the argument contains ( or ;")
		}
	}
	switch action {
	case "off", "panic", "error":
		if action == "off" && hasArgument {
			return bad("off takes no argument")
		}
		s.Action = map[string]Action{"off": Off, "panic": Panic, "error": Error}[action]
		s.Text = argument
	case "delay":
		d, err := time.ParseDuration(argument)
		if err != nil || d < 0 || d > MaxDelay {
			return bad(fmt.Sprintf("delay needs a duration of 0 to %v", MaxDelay))
		}
		s.Action, s.Delay = Delay, d
	default:
		return bad("the action is none of panic, error, delay, off")
	}
	if rest == "" {
		return s, nil
	}
	when, ok := strings.CutPrefix(rest, "@")
	if !ok {
		return bad("something other than @ follows the action")
	}
	s.When = Nth
	if n, ok := strings.CutPrefix(when, "every:"); ok {
		s.When, when = Every, n
	} else if n, ok := strings.CutPrefix(when, "times:"); ok {
		s.When, when = Times, n
	}
	n, err := strconv.ParseUint(when, 10, 64)
	if err != nil || n == 0 {
		return bad("the number after @ is not a positive integer")
	}
	s.N = n
	return s, nil
}

// ParseConfig reads a list of points, name=spec separated by semicolons. Empty
// parts are allowed; an unknown name or one given twice is an error.
func ParseConfig(text string) (map[string]Spec, error) {
	specs := make(map[string]Spec)
	for part := range strings.SplitSeq(text, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		name, spec, ok := strings.Cut(part, "=")
		if !ok {
			return nil, &SyntaxError{Text: part, Why: "there is no = between name and action"}
		}
		name = strings.TrimSpace(name)
		if !known(name) {
			return nil, &SyntaxError{Text: part, Why: "unknown name; known are " + strings.Join(names, ", ")}
		}
		if _, twice := specs[name]; twice {
			return nil, &SyntaxError{Text: part, Why: "the name is given twice"}
		}
		s, err := ParseSpec(spec)
		if err != nil {
			return nil, err
		}
		specs[name] = s
	}
	return specs, nil
}
