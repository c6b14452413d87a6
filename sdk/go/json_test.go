package engram

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What is written as JSON is read back as it was.
func TestObservationsComeBackFromJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Observation{
			ID: rapid.String().Draw(t, "id"), Content: rapid.String().Draw(t, "content"),
			Importance: float32(rapid.IntRange(0, 8).Draw(t, "importance")) / 8, Replace: rapid.Bool().Draw(t, "replace"),
			Priority: Priority(rapid.IntRange(0, 3).Draw(t, "priority")),
			Vector:   rapid.SliceOfN(rapid.Float32Range(-1, 1), 0, 4).Draw(t, "vector"),
		}
		if len(o.Vector) == 0 {
			o.Vector = nil
		}
		if rapid.Bool().Draw(t, "more") {
			o.Confidence = Confidence(0.25)
			o.ObservedAt = time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "at"), 0).UTC()
			o.Context = Context{Location: "here", Participants: []string{"a", "b"}}
			o.Metadata = map[string]any{"n": 1.5, "s": "x", "l": []any{true, nil}, "m": map[string]any{"k": "v"}}
		}
		data, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseJSON(data)
		if err != nil || !reflect.DeepEqual(back, o) {
			t.Fatalf("%s became %+v, %v", data, back, err)
		}
	})
}

func TestStoredAsJSON(t *testing.T) {
	s := Stored{Observation: Observation{ID: "a", Content: "text"}, Generation: 7, CommittedAt: time.Unix(0, 0).UTC()}
	data, err := json.Marshal([]Stored{s})
	const want = `[{"observation":{"id":"a","content":"text"},"generation":7,"committed_at":"1970-01-01T00:00:00Z"}]`
	if err != nil || string(data) != want {
		t.Fatalf("%s, %v", data, err)
	}
}
