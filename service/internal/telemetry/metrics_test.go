package telemetry

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

func tripOf(parent trace.SpanContext, took time.Duration) *Trip {
	t := &Trip{Parent: parent, Began: time.Unix(100, 0)}
	for s := StageReceive; s < StageIndex; s++ {
		t.MarkAt(s, t.Began.Add(took*time.Duration(s+1)/time.Duration(StageIndex)))
	}
	return t
}

func TestMetricsLabelSpacesUpToTheLimit(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewMetrics(reg, 2)
	for _, sp := range []string{"one", "two", "three", "four"} {
		m.Published(sp, []Done{{Trip: tripOf(trace.SpanContext{}, time.Millisecond)}, {Trip: tripOf(trace.SpanContext{}, time.Millisecond), Lane: 2}})
		m.Rejected(sp, "INVALID_FIELD", 3)
	}
	const want = `
# HELP engram_streaming_observations_rejected_total Observations that were not kept, for good.
# TYPE engram_streaming_observations_rejected_total counter
engram_streaming_observations_rejected_total{memory_space="one",reason="INVALID_FIELD"} 3
engram_streaming_observations_rejected_total{memory_space="other",reason="INVALID_FIELD"} 6
engram_streaming_observations_rejected_total{memory_space="two",reason="INVALID_FIELD"} 3
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "engram_streaming_observations_rejected_total"); err != nil {
		t.Fatal(err)
	}
	m.SpaceDeleted("one")
	m.Published("three", []Done{{Trip: tripOf(trace.SpanContext{}, time.Millisecond)}})
	if n := testutil.CollectAndCount(m.spaces.observations); n != 9 {
		t.Fatalf("%d series of observations_total, want 9: two, three, other × 3 lanes", n)
	}
	if n := testutil.CollectAndCount(m.rejected); n != 2 {
		t.Fatalf("%d series of rejections, want 2", n)
	}
}

func TestGauges(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewMetrics(reg, 1)
	err := m.Watch(reg, func() Reading {
		return Reading{QueueDepth: [3]int{1, 2, 3}, Utilization: []float64{.5}, Spaces: []SpaceReading{{ID: "a", Unindexed: 4}, {ID: "b", Unindexed: 5}, {ID: "c", Unindexed: 6}}}
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `
# HELP engram_streaming_queue_depth Observations waiting in a lane.
# TYPE engram_streaming_queue_depth gauge
engram_streaming_queue_depth{priority="high"} 1
engram_streaming_queue_depth{priority="low"} 3
engram_streaming_queue_depth{priority="normal"} 2
# HELP engram_streaming_unindexed_rows Rows the graph does not hold yet; they are scanned.
# TYPE engram_streaming_unindexed_rows gauge
engram_streaming_unindexed_rows{memory_space="a"} 4
engram_streaming_unindexed_rows{memory_space="other"} 11
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "engram_streaming_queue_depth", "engram_streaming_unindexed_rows"); err != nil {
		t.Fatal(err)
	}
}

func sampledParent(t *testing.T, flags string) trace.SpanContext {
	t.Helper()
	sc, ok := ParseTraceParent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"+flags, "")
	if !ok {
		t.Fatal("parent")
	}
	return sc
}

func TestTracerMakesASpanPerStage(t *testing.T) {
	mem := tracetest.NewInMemoryExporter()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSyncer(mem))
	defer func() { _ = tp.Shutdown(context.Background()) }()
	parent := sampledParent(t, "01")
	NewTracer(tp).Published("space", []Done{
		{Trip: tripOf(parent, 8*time.Millisecond), Session: "sess", Sequence: 7, Generation: 9},
		{Trip: tripOf(sampledParent(t, "00"), time.Millisecond)},
		{Trip: tripOf(sampledParent(t, "00"), 2*SlowAfter)},
	})
	byName := map[string]int{}
	for _, s := range mem.GetSpans() {
		byName[s.Name]++
		if s.Name == "engram.observation" && s.Parent.SpanID() != parent.SpanID() && len(s.Links) != 1 {
			t.Errorf("an observation hangs on neither its parent nor a link: %+v", s)
		}
	}
	if byName["engram.observation"] != 2 || byName["engram.batch"] != 1 {
		t.Fatalf("spans: %v", byName)
	}
	for s := StageReceive; s < StageIndex; s++ {
		if byName[s.SpanName()] != 2 {
			t.Errorf("%s has %d spans, want 2", s.SpanName(), byName[s.SpanName()])
		}
	}
}

func TestTheIndexStageHasASpanOfItsOwn(t *testing.T) {
	mem := tracetest.NewInMemoryExporter()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSyncer(mem))
	defer func() { _ = tp.Shutdown(context.Background()) }()
	parent := sampledParent(t, "01")
	trip := tripOf(parent, 8*time.Millisecond)
	trip.MarkAt(StageIndex, trip.Began.Add(time.Second))
	NewTracer(tp).Indexed("space", 1, []Done{{Trip: trip, Sequence: 7}, {Trip: tripOf(parent, 1)}})
	spans := mem.GetSpans()
	if len(spans) != 1 || spans[0].Name != "engram.index" || spans[0].Parent.SpanID() != parent.SpanID() || !spans[0].EndTime.Equal(trip.Began.Add(time.Second)) {
		t.Fatalf("%+v", spans)
	}
}

func TestUnsampledCostsNothing(t *testing.T) {
	tp := sdktrace.NewTracerProvider()
	defer func() { _ = tp.Shutdown(context.Background()) }()
	tr := NewTracer(tp)
	batch := []Done{{Trip: tripOf(sampledParent(t, "00"), time.Millisecond)}, {Trip: tripOf(trace.SpanContext{}, time.Millisecond)}}
	if n := testing.AllocsPerRun(100, func() { tr.Published("space", batch) }); n != 0 {
		t.Errorf("tracer allocates %v times a batch that nobody samples", n)
	}
	m := NewMetrics(prometheus.NewRegistry(), 10)
	m.Published("space", batch)
	if n := testing.AllocsPerRun(100, func() { m.Published("space", batch) }); n != 0 {
		t.Errorf("metrics allocate %v times a batch", n)
	}
}
