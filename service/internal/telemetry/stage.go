package telemetry

// Stage is one step of an observation's way. Span names are "engram." + the
// stage's name; docs/life-of-an-observation.md lists them in this order.
type Stage uint8

// The stages in order.
const (
	StageReceive Stage = iota
	StageValidate
	StageAdmit
	StageEmbed
	StageQueue
	StageJournal
	StageApply
	StagePublish
	StageIndex
	StageCount = 9
)

var stageNames = [StageCount]string{"receive", "validate", "admit", "embed", "queue", "journal", "apply", "publish", "index"}

// String gives the stage's name.
func (s Stage) String() string {
	if int(s) < len(stageNames) {
		return stageNames[s]
	}
	return "unknown"
}

// SpanName gives the name of the stage's span.
func (s Stage) SpanName() string { return "engram." + s.String() }

// LaneCount is how many lanes there are.
const LaneCount = 3

// LaneName is the label of a lane: they are numbered from the highest priority.
func LaneName(lane int) string {
	return [LaneCount]string{"high", "normal", "low"}[max(0, min(lane, LaneCount-1))]
}
