package telemetry

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// Reading is the state of the server at one moment, as gauges show it.
type Reading struct {
	QueueDepth     [LaneCount]int
	QueueCapacity  [LaneCount]int
	QueueReserved  [LaneCount]int // places given out as credits or taken
	QueueBytes     int64
	ActiveSessions int
	Pressure       float64 // 0..1
	PressureLevel  int     // 0 normal … 3 overloaded
	Utilization    []float64
	JournalBytes   int64
	JournalFailed  bool
	DiskFree       uint64
	SpaceCount     int
	SpacesAsleep   int // their rows are on disk alone
	// CheckpointAge is how old the checkpoint in force is, in seconds; 0 when
	// there is none. CheckpointTail is the journal behind it, in bytes.
	CheckpointAge    float64
	CheckpointTail   int64
	CheckpointFailed bool // the last attempt failed
	Damage           int  // places on disk found damaged
	// IndexPolicyTime is how long spaces were indexed other than as configured
	// since the start.
	IndexPolicyTime []PolicyTime
	Memory          MemoryReading
	Spaces          []SpaceReading
}

// PolicyTime is how long an index policy was in force, over all spaces.
type PolicyTime struct {
	Policy  string
	Seconds float64
}

// SpaceReading is the state of one space.
type SpaceReading struct {
	ID           string
	Generation   uint64
	Observations int64
	Unindexed    int
	Bytes        int64
	Staleness    float64 // seconds
	Memory       SpaceMemory
	IndexPolicy  int // 0 full, 1 narrow, 2 paused
}

// Watch registers gauges that are read from read at each scrape.
func (m *Metrics) Watch(reg prometheus.Registerer, read func() Reading) error {
	return reg.Register(&gauges{read: read, limit: m.spaces.limit})
}

type gauges struct {
	read  func() Reading
	limit int
}

func gaugeDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
}

var (
	queueDepth     = gaugeDesc("queue_depth", "Observations waiting in a lane.", "priority")
	queueCapacity  = gaugeDesc("queue_capacity", "Observations a lane can hold.", "priority")
	queueReserved  = gaugeDesc("queue_reserved", "Places of a lane that are promised or taken.", "priority")
	queueBytes     = gaugeDesc("queue_memory_bytes", "Encoded bytes waiting in the queue.")
	activeSessions = gaugeDesc("active_sessions_total", "Sessions with a stream.")
	utilization    = gaugeDesc("worker_utilization", "Share of its time a worker spends on batches, 0 to 1.", "worker_id")
	pressureState  = gaugeDesc("backpressure_state", "0 normal, 1 warning, 2 critical, 3 overloaded.", "memory_space")
	pressureValue  = gaugeDesc("pressure", "How full the fullest lane is, 0 to 1.")
	journalBytes   = gaugeDesc("journal_bytes", "Bytes of the journal on disk.")
	journalFailed  = gaugeDesc("journal_failed", "1 when the journal has failed.")
	diskFree       = gaugeDesc("disk_free_bytes", "Bytes free on the journal's file system.")
	spacesAsleep   = gaugeDesc("memory_spaces_asleep", "Memory spaces the rows of which are on disk alone.")
	checkpointAge  = gaugeDesc("checkpoint_age_seconds", "Age of the checkpoint in force.")
	checkpointTail = gaugeDesc("checkpoint_tail_bytes", "Bytes of journal that a start would have to read.")
	checkpointBad  = gaugeDesc("checkpoint_failed", "1 when the last attempt at a checkpoint failed.")
	damageFound    = gaugeDesc("damage_found", "Places on disk that were found damaged since the start.")
	spaceCount     = gaugeDesc("memory_spaces", "Memory spaces.")
	generation     = gaugeDesc("generation", "Newest visible generation.", "memory_space")
	observations   = gaugeDesc("observations", "Live observations.", "memory_space")
	unindexed      = gaugeDesc("unindexed_rows", "Rows the graph does not hold yet; they are scanned.", "memory_space")
	spaceBytes     = gaugeDesc("memory_space_bytes", "Memory that observations take.", "memory_space")
	indexPolicy    = gaugeDesc("index_policy", "How rows that wait for the graph are dealt with: 0 as configured, 1 inserted with a narrower search, 2 scanned only.", "memory_space")
	policyTime     = gaugeDesc("index_policy_seconds_total", "Time that spaces were indexed by a policy other than their configuration's.", "policy")
	staleness      = gaugeDesc("staleness_seconds", "Age of the oldest durable row that is not visible.", "memory_space")
)

// Describe implements prometheus.Collector.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	describeMemory(ch)
	for _, d := range []*prometheus.Desc{
		queueDepth, queueCapacity, queueReserved, queueBytes, activeSessions, utilization, pressureState, pressureValue,
		journalBytes, journalFailed, diskFree, spaceCount, spacesAsleep, checkpointAge, checkpointTail, checkpointBad, damageFound, generation, observations, unindexed, spaceBytes, staleness,
		indexPolicy, policyTime,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	r := g.read()
	set := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for l := range r.QueueDepth {
		name := LaneName(l)
		set(queueDepth, float64(r.QueueDepth[l]), name)
		set(queueCapacity, float64(r.QueueCapacity[l]), name)
		set(queueReserved, float64(r.QueueReserved[l]), name)
	}
	set(queueBytes, float64(r.QueueBytes))
	set(activeSessions, float64(r.ActiveSessions))
	set(pressureValue, r.Pressure)
	for i, u := range r.Utilization {
		set(utilization, u, strconv.Itoa(i))
	}
	set(journalBytes, float64(r.JournalBytes))
	set(journalFailed, flag(r.JournalFailed))
	set(checkpointAge, r.CheckpointAge)
	set(checkpointTail, float64(r.CheckpointTail))
	set(checkpointBad, flag(r.CheckpointFailed))
	set(damageFound, float64(r.Damage))
	set(spacesAsleep, float64(r.SpacesAsleep))
	set(diskFree, float64(r.DiskFree))
	set(spaceCount, float64(r.SpaceCount))
	for _, p := range r.IndexPolicyTime {
		ch <- prometheus.MustNewConstMetric(policyTime, prometheus.CounterValue, p.Seconds, p.Policy)
	}
	collectMemory(r.Memory, set)
	g.collectSpaces(r, set)
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// collectSpaces shows the first spaces by themselves and the rest together.
func (g *gauges) collectSpaces(r Reading, set func(*prometheus.Desc, float64, ...string)) {
	rest := SpaceReading{ID: otherSpaces}
	for i, s := range r.Spaces {
		if i >= g.limit {
			rest.Observations += s.Observations
			rest.Unindexed += s.Unindexed
			rest.Bytes += s.Bytes
			rest.Memory.Anonymous += s.Memory.Anonymous
			rest.Staleness = max(rest.Staleness, s.Staleness)
			rest.IndexPolicy = max(rest.IndexPolicy, s.IndexPolicy)
			rest.Generation = max(rest.Generation, s.Generation)
			continue
		}
		g.collectSpace(s, r.PressureLevel, set)
	}
	if len(r.Spaces) > g.limit {
		g.collectSpace(rest, r.PressureLevel, set)
	}
}

func (g *gauges) collectSpace(s SpaceReading, level int, set func(*prometheus.Desc, float64, ...string)) {
	name := s.ID
	set(generation, float64(s.Generation), name)
	set(observations, float64(s.Observations), name)
	set(unindexed, float64(s.Unindexed), name)
	set(spaceBytes, float64(s.Bytes), name)
	set(staleness, s.Staleness, name)
	collectSpaceMemory(name, s.Memory, set)
	set(indexPolicy, float64(s.IndexPolicy), name)
	set(pressureState, float64(level), name)
}
