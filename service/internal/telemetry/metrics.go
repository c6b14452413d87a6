package telemetry

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
)

const namespace = "engram_streaming"

// Buckets, in seconds unless said otherwise.
var (
	latencyBuckets = []float64{.001, .005, .01, .05, .1, .5, 1, 5}
	recallBuckets  = []float64{.0001, .00025, .0005, .001, .005, .01, .02, .05, .1, .5}
	waitBuckets    = []float64{.001, .005, .01, .05, .1, .5, 1}
	sizeBuckets    = []float64{1, 10, 50, 100, 250, 500, 1000} // observations
	commitBuckets  = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .5}
	bytesBuckets   = prometheus.ExponentialBuckets(1<<10, 4, 9) // 1 KiB … 64 MiB
)

// Metrics is the Recorder behind /metrics. The registry is the server's.
//
// All methods may be called from any goroutine. The series of a space are
// looked up once and kept; how many spaces have their own is bounded.
type Metrics struct {
	spaces *spaceSeries

	rejected    *prometheus.CounterVec
	refused     *prometheus.CounterVec
	quarantined *prometheus.CounterVec
	indexed     *prometheus.CounterVec
	pressure    *prometheus.CounterVec
	batches     *prometheus.CounterVec
	stolen      *prometheus.CounterVec
	failures    *prometheus.CounterVec
	batchSize   *prometheus.HistogramVec
	batchTime   *prometheus.HistogramVec
	queueWait   [LaneCount]prometheus.Observer

	commitFrames, commitRecords         prometheus.Counter
	commitWait, commitWrite, commitSync prometheus.Histogram
	commitBytes                         prometheus.Histogram
	commitErrors                        prometheus.Counter
	replayDone, replayTotal             prometheus.Gauge
	stageTime                           [StageCount]prometheus.Observer
}

var _ Recorder = (*Metrics)(nil)

// NewMetrics makes the collectors and registers them. spaceLimit is how many
// spaces get series of their own; those beyond it share "other".
func NewMetrics(reg prometheus.Registerer, spaceLimit int) *Metrics {
	f := factory{reg}
	m := &Metrics{
		spaces:      newSpaceSeries(f, spaceLimit),
		rejected:    f.counter("observations_rejected_total", "Observations that were not kept, for good.", "memory_space", "reason"),
		refused:     f.counter("observations_refused_total", "Observations that were sent back for load.", "memory_space", "reason"),
		quarantined: f.counter("observations_quarantined_total", "Observations that are kept from recall, since applying them failed.", "memory_space"),
		indexed:     f.counter("rows_indexed_total", "Rows that moved into the graph.", "memory_space"),
		pressure:    f.counter("pressure_changes_total", "Changes of a lane's pressure, by the level reached.", "priority", "level"),
		batches:     f.counter("batches_processed_total", "Batches that workers carried to visibility.", "worker_id"),
		stolen:      f.counter("work_stolen_total", "Batches of spaces that are at home with another worker.", "worker_id"),
		failures:    f.counter("batch_failures_total", "Batches that failed, by what went wrong.", "worker_id", "error_type"),
		batchSize:   f.histogram("batch_size", "Observations in a batch.", sizeBuckets, "worker_id"),
		batchTime:   f.histogram("batch_duration_seconds", "Time a worker took for a batch.", latencyBuckets, "worker_id"),

		commitFrames:  f.counter("journal_frames_total", "Frames the journal has committed.").WithLabelValues(),
		commitRecords: f.counter("journal_records_total", "Sequence numbers the journal has decided.").WithLabelValues(),
		commitErrors:  f.counter("journal_commit_errors_total", "Commits that failed; the first write or sync error is final.").WithLabelValues(),
		commitWait:    f.histogram("journal_wait_seconds", "Time the oldest frame of a commit waited for its write.", commitBuckets).WithLabelValues().(prometheus.Histogram),
		commitWrite:   f.histogram("journal_write_seconds", "Time a commit took to write.", commitBuckets).WithLabelValues().(prometheus.Histogram),
		commitSync:    f.histogram("journal_sync_seconds", "Time a commit took to reach stable storage.", commitBuckets).WithLabelValues().(prometheus.Histogram),
		commitBytes:   f.histogram("journal_commit_bytes", "Bytes a commit wrote.", bytesBuckets).WithLabelValues().(prometheus.Histogram),
		replayDone:    f.gauge("replay_bytes", "Bytes of the journal read back since the start."),
		replayTotal:   f.gauge("replay_bytes_total", "Bytes of the journal to be read back."),
	}
	wait := f.histogram("queue_wait_time_seconds", "Time an observation waited in the queue.", waitBuckets, "priority")
	for l := range m.queueWait {
		m.queueWait[l] = wait.WithLabelValues(LaneName(l))
	}
	stage := f.histogram("stage_duration_seconds", "Time an observation spent in a stage of its way in.", commitBuckets, "stage")
	for s := range m.stageTime {
		m.stageTime[s] = stage.WithLabelValues(Stage(s).String())
	}
	return m
}

// Published implements Recorder.
func (m *Metrics) Published(space string, batch []Done) {
	s := m.spaces.of(space)
	var perLane [LaneCount]int
	for i := range batch {
		d := &batch[i]
		if d.Rejected {
			continue
		}
		if !d.Duplicate {
			perLane[d.Lane%LaneCount]++
		}
		t := d.Trip
		observeLatency(s.latency, t.Since(StagePublish).Seconds(), t.Parent)
		s.visibility.Observe((t.Since(StagePublish) - t.Since(StageJournal)).Seconds())
		for st := StageReceive; st < StageIndex; st++ {
			if start, end, ok := t.Span(st); ok {
				took := end.Sub(start).Seconds()
				m.stageTime[st].Observe(took)
				if st == StageQueue {
					m.queueWait[d.Lane%LaneCount].Observe(took)
				}
			}
		}
	}
	for l, n := range perLane {
		if n > 0 {
			s.observations[l].Add(float64(n))
		}
	}
}

// observeLatency ties the latency to its trace, if it is a sampled one.
func observeLatency(o prometheus.Observer, seconds float64, parent trace.SpanContext) {
	if ex, ok := o.(prometheus.ExemplarObserver); ok && parent.IsSampled() {
		ex.ObserveWithExemplar(seconds, prometheus.Labels{"trace_id": parent.TraceID().String()})
		return
	}
	o.Observe(seconds)
}

// Rejected implements Recorder.
func (m *Metrics) Rejected(space string, reason string, n int) {
	m.rejected.WithLabelValues(m.spaces.of(space).label, reason).Add(float64(n))
}

// Refused implements Recorder.
func (m *Metrics) Refused(space string, reason string, n int) {
	m.refused.WithLabelValues(m.spaces.of(space).label, reason).Add(float64(n))
}

// Quarantined implements Recorder.
func (m *Metrics) Quarantined(space string) {
	m.quarantined.WithLabelValues(m.spaces.of(space).label).Inc()
}

// Indexed implements Recorder.
func (m *Metrics) Indexed(space string, rows int, _ []Done) {
	if rows == 0 {
		return
	}
	m.indexed.WithLabelValues(m.spaces.of(space).label).Add(float64(rows))
}

// Recalled implements Recorder.
func (m *Metrics) Recalled(ctx context.Context, space string, took time.Duration, _ int) {
	observeLatency(m.spaces.of(space).recall, took.Seconds(), trace.SpanContextFromContext(ctx))
}

// Committed implements Recorder.
func (m *Metrics) Committed(frames, records int, bytes int64, wait, write, sync time.Duration, err error) {
	if err != nil {
		m.commitErrors.Inc()
		return
	}
	m.commitFrames.Add(float64(frames))
	m.commitRecords.Add(float64(records))
	m.commitBytes.Observe(float64(bytes))
	m.commitWait.Observe(wait.Seconds())
	m.commitWrite.Observe(write.Seconds())
	m.commitSync.Observe(sync.Seconds())
}

// Replayed implements Recorder.
func (m *Metrics) Replayed(done, total uint64) {
	m.replayDone.Set(float64(done))
	m.replayTotal.Set(float64(total))
}

var levelNames = [...]string{"normal", "warning", "critical", "overloaded"}

// Pressure implements Recorder.
func (m *Metrics) Pressure(lane int, level int, _ float64) {
	name := levelNames[max(0, min(level, len(levelNames)-1))]
	m.pressure.WithLabelValues(LaneName(lane), name).Inc()
	if level > 0 {
		m.spaces.activations(lane, name)
	}
}

// Batch implements Recorder.
func (m *Metrics) Batch(worker, size int, took time.Duration, stolen bool, failure string) {
	id := strconv.Itoa(worker)
	if failure != "" {
		m.failures.WithLabelValues(id, failure).Inc()
		return
	}
	m.batches.WithLabelValues(id).Inc()
	m.batchSize.WithLabelValues(id).Observe(float64(size))
	m.batchTime.WithLabelValues(id).Observe(took.Seconds())
	if stolen {
		m.stolen.WithLabelValues(id).Inc()
	}
}

// SpaceDeleted implements Recorder: the space takes its series along.
func (m *Metrics) SpaceDeleted(space string) {
	if label, own := m.spaces.drop(space); own {
		for _, v := range []interface {
			DeletePartialMatch(prometheus.Labels) int
		}{m.rejected, m.refused, m.quarantined, m.indexed} {
			v.DeletePartialMatch(prometheus.Labels{"memory_space": label})
		}
	}
}
