package memory

import "fmt"

// Lane is the priority an observation waits under. Lower values go first.
type Lane uint8

// The three lanes. Normal is what a client gets that asks for nothing.
const (
	LaneHigh Lane = iota
	LaneNormal
	LaneLow
	LaneCount = 3
)

// String gives the lane's name as metrics and logs print it.
func (l Lane) String() string {
	switch l {
	case LaneHigh:
		return "high"
	case LaneNormal:
		return "normal"
	case LaneLow:
		return "low"
	}
	return fmt.Sprintf("lane(%d)", uint8(l))
}
