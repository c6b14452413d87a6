package telemetry

import (
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Trip records when an observation left each stage. It is a plain value that
// travels inside the queue's item: no allocation, no lock; whoever holds the
// item may mark it.
type Trip struct {
	// Parent is the client's span for this observation, or the stream's.
	Parent trace.SpanContext
	// Began is when the frame was received.
	Began time.Time
	// ends[s] is the time from Began to the end of stage s, in nanoseconds;
	// zero means the stage was not passed.
	ends [StageCount]int64
}

// Mark records that stage s ended now.
func (t *Trip) Mark(s Stage) { t.MarkAt(s, time.Now()) }

// MarkAt records that stage s ended at the given moment. Marking a batch, take
// the time once.
func (t *Trip) MarkAt(s Stage, at time.Time) { t.ends[s] = max(1, int64(at.Sub(t.Began))) }

// Span gives start and end of stage s, and false when it was not passed. A
// stage starts where the nearest earlier stage that was passed ended.
func (t *Trip) Span(s Stage) (start, end time.Time, ok bool) {
	if t.ends[s] == 0 {
		return start, end, false
	}
	var from int64
	for i := Stage(0); i < s; i++ {
		from = max(from, t.ends[i])
	}
	from = min(from, t.ends[s])
	return t.Began.Add(time.Duration(from)), t.Began.Add(time.Duration(t.ends[s])), true
}

// Since gives the time from receipt to the end of stage s; zero when it was
// not passed.
func (t *Trip) Since(s Stage) time.Duration { return time.Duration(t.ends[s]) }
