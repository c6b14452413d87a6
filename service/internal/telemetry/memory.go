package telemetry

import "github.com/prometheus/client_golang/prometheus"

// MemoryReading is the anonymous memory that was counted, in bytes: what is not
// read from files.
type MemoryReading struct {
	Used   map[string]int64 // by what takes it
	Budget int64            // what all of it may come to; 0 is no bound
	Limit  int64            // what the process may take; 0 is no bound
}

// SpaceMemory is what one space takes, and the codes that it is scanned by.
type SpaceMemory struct {
	Anonymous  int64
	Codes      string  // 1-bit, 7-bit, or empty where vectors are compared
	CodeRecall float64 // recall@10 of these when last checked
}

var (
	memoryUsed     = gaugeDesc("memory_used_bytes", "Anonymous memory that was counted, by what takes it.", "part")
	memoryBudget   = gaugeDesc("memory_budget_bytes", "What the counted memory may come to; 0 is no bound.")
	memoryLimit    = gaugeDesc("memory_limit_bytes", "What the process may take; 0 is no bound.")
	spaceAnonymous = gaugeDesc("memory_space_anonymous_bytes", "Memory of a space that is not read from files.", "memory_space")
	scanRecall     = gaugeDesc("scan_code_recall", "Recall@10 of the codes that a space is scanned by, when it was last checked; none where vectors are compared.", "memory_space", "codes")
)

func describeMemory(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{memoryUsed, memoryBudget, memoryLimit, spaceAnonymous, scanRecall} {
		ch <- d
	}
}

func collectMemory(m MemoryReading, set func(*prometheus.Desc, float64, ...string)) {
	for part, n := range m.Used {
		set(memoryUsed, float64(n), part)
	}
	set(memoryBudget, float64(m.Budget))
	set(memoryLimit, float64(m.Limit))
}

func collectSpaceMemory(name string, m SpaceMemory, set func(*prometheus.Desc, float64, ...string)) {
	set(spaceAnonymous, float64(m.Anonymous), name)
	if m.Codes != "" {
		set(scanRecall, m.CodeRecall, name, m.Codes)
	}
}
