package telemetry

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTripStages(t *testing.T) {
	began := time.Unix(100, 0)
	trip := Trip{Began: began}
	trip.MarkAt(StageReceive, began.Add(1))
	trip.MarkAt(StageValidate, began.Add(3))
	trip.MarkAt(StageQueue, began.Add(10)) // admit and embed were not passed
	start, end, ok := trip.Span(StageQueue)
	if !ok || start != began.Add(3) || end != began.Add(10) {
		t.Fatalf("queue: %v..%v %v", start, end, ok)
	}
	if _, _, ok := trip.Span(StageEmbed); ok {
		t.Fatal("a stage that was not passed has a span")
	}
	if trip.Since(StageQueue) != 10 {
		t.Fatalf("since: %v", trip.Since(StageQueue))
	}
}

func TestParseTraceParent(t *testing.T) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	sc, ok := ParseTraceParent(good, "a=b")
	if !ok || !sc.IsSampled() || sc.TraceID().String() != "0af7651916cd43dd8448eb211c80319c" || sc.SpanID().String() != "b7ad6b7169203331" || sc.TraceState().Get("a") != "b" {
		t.Fatalf("%+v %v", sc, ok)
	}
	for _, bad := range []string{
		"", good[:54], good + "-x", "ff" + good[2:], "00-00000000000000000000000000000000-b7ad6b7169203331-01",
		"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
	} {
		if _, ok := ParseTraceParent(bad, ""); ok {
			t.Errorf("%q was taken", bad)
		}
	}
	if _, ok := ParseTraceParent("01"+good[2:]+"-what", "!!"); !ok {
		t.Error("a later version that begins like this one was refused")
	}
}

func FuzzParseTraceParent(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=b")
	f.Fuzz(func(t *testing.T, parent, state string) {
		if sc, ok := ParseTraceParent(parent, state); ok && !sc.IsValid() {
			t.Fatal("ok and invalid")
		}
	})
}
