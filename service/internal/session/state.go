package session

// State is where a session stands, or, in a [Status], how hard it is pressed.
// The values are those of SessionState on the wire.
type State uint8

// The states. A session itself is ACTIVE, PAUSED, DRAINING or CLOSED; the
// others tell of pressure and failure in a Status only.
const (
	Unspecified  State = iota
	Active             // going on as it should
	Paused             // the client asked for a pause
	Warning            // the first threshold of the queue is passed
	Backpressure       // credits are held back
	Overloaded         // what is sent now is refused
	Failed             // the journal failed (ERROR on the wire)
	Draining           // finishing what it has
	Closed             // over
)

// String gives the state as the wire spells it, without its prefix.
func (s State) String() string {
	return [...]string{
		"UNSPECIFIED", "ACTIVE", "PAUSED", "WARNING", "BACKPRESSURE", "OVERLOADED", "ERROR", "DRAINING", "CLOSED",
	}[min(s, Closed)]
}

// canBecome is the lifecycle: ACTIVE ⇄ PAUSED → DRAINING → CLOSED. A session
// may be closed from anywhere, and never comes back.
func (s State) canBecome(to State) bool {
	switch s {
	case Active:
		return to == Paused || to == Draining || to == Closed
	case Paused:
		return to == Active || to == Draining || to == Closed
	case Draining:
		return to == Closed
	case Unspecified, Warning, Backpressure, Overloaded, Failed, Closed:
	}
	return false
}
