package telemetry

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMemoryIsShown(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewMetrics(reg, 10)
	err := m.Watch(reg, func() Reading {
		return Reading{
			Memory: MemoryReading{Used: map[string]int64{"rows": 7}, Budget: 80, Limit: 100},
			Spaces: []SpaceReading{
				{ID: "a", Memory: SpaceMemory{Anonymous: 5, Codes: "1-bit", CodeRecall: 0.99}},
				{ID: "b", Memory: SpaceMemory{Anonymous: 2}},
			},
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `
# HELP engram_streaming_memory_used_bytes Anonymous memory that was counted, by what takes it.
# TYPE engram_streaming_memory_used_bytes gauge
engram_streaming_memory_used_bytes{part="rows"} 7
# HELP engram_streaming_scan_code_recall Recall@10 of the codes that a space is scanned by, when it was last checked; none where vectors are compared.
# TYPE engram_streaming_scan_code_recall gauge
engram_streaming_scan_code_recall{codes="1-bit",memory_space="a"} 0.99
# HELP engram_streaming_memory_space_anonymous_bytes Memory of a space that is not read from files.
# TYPE engram_streaming_memory_space_anonymous_bytes gauge
engram_streaming_memory_space_anonymous_bytes{memory_space="a"} 5
engram_streaming_memory_space_anonymous_bytes{memory_space="b"} 2
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "engram_streaming_memory_used_bytes", "engram_streaming_scan_code_recall", "engram_streaming_memory_space_anonymous_bytes"); err != nil {
		t.Error(err)
	}
}
