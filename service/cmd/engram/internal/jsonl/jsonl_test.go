package jsonl

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	engram "github.com/engram-stream/engram/sdk/go"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What is written is one line of JSON, and is read back as it was.
func TestObservationsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := engram.Stored{
			Observation: engram.Observation{
				ID: rapid.StringN(1, 20, -1).Draw(t, "id"), Content: rapid.String().Draw(t, "content"),
				Confidence: engram.Confidence(0.25), Priority: engram.Normal,
				Vector:   rapid.SliceOfN(rapid.Float32(), 1, 5).Draw(t, "vector"),
				Metadata: map[string]any{"k": rapid.String().Draw(t, "metadata")},
			},
			Generation: rapid.Uint64().Draw(t, "generation"), CommittedAt: time.Unix(0, rapid.Int64().Draw(t, "at")),
			Quarantine: rapid.String().Draw(t, "quarantine"),
		}
		form := rapid.SampledFrom([]Vectors{Packed, List}).Draw(t, "form")
		replaced := s
		replaced.Replace = true
		line, err := Append(nil, replaced, form)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(line) || strings.Count(string(line), "\n") != 1 {
			t.Fatalf("not a line of JSON: %q", line)
		}
		back, err := Parse(line)
		if err != nil || !reflect.DeepEqual(back, s.Observation) {
			t.Fatalf("%s became %+v, %v", line, back, err)
		}
	})
}

func TestParseRefuses(t *testing.T) {
	for line, says := range map[string]string{
		``: "not a JSON object", `[]`: "not a JSON object", `null`: "not a JSON object", `{"a":1}`: "unknown field",
		`{"embedding":{"packed":{"data":"AAA=","encoding":"VECTOR_ENCODING_F32_LE","x":1}}}`: "unknown field",
		`{"embedding":7}`: "unexpected token 7", `{"id":3}`: "for string field id",
	} {
		if _, err := Parse([]byte(line)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", line, err, says)
		}
	}
}

// The id of a line without one is the same each time, and another for another
// line.
func TestDerivedIDs(t *testing.T) {
	ids := map[string]bool{}
	for _, line := range []string{`{"content":"a"}`, ` {"content":"a"} `, `{"content":"b"}`} {
		o, err := Parse([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		ids[o.ID] = true
	}
	if len(ids) != 2 {
		t.Error(ids)
	}
}

func TestSettingsComeBack(t *testing.T) {
	s := engram.Space{
		Dimension: 7, Metric: engram.Dot, Embedder: "hashing", EmbedderModel: "m", IndexThreshold: 9, MaxAge: time.Hour, MaxCount: 5,
		Quotas: engram.Quotas{Observations: 1, Bytes: 2}, HistoryWindow: time.Minute,
	}
	line, err := json.Marshal(Header{Version: Version, Space: "notes", Settings: SettingsOf(s)})
	if err != nil {
		t.Fatal(err)
	}
	h, ok, err := ParseHeader(line)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	n, err := h.Settings.NewSpace()
	want := engram.NewSpace{
		Dimension: 7, Metric: engram.Dot, Embedder: "hashing", IndexThreshold: n.IndexThreshold, MaxAge: time.Hour, MaxCount: 5,
		Quotas: engram.Quotas{Observations: 1, Bytes: 2}, HistoryWindow: time.Minute,
	}
	if err != nil || !reflect.DeepEqual(n, want) || *n.IndexThreshold != 9 {
		t.Errorf("%+v, %v", n, err)
	}
	for _, bad := range []Settings{{Metric: "taxicab"}, {Metric: "dot", MaxAge: "soon"}} {
		if _, err := bad.NewSpace(); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func TestReader(t *testing.T) {
	long := strings.Repeat("x", MaxLine+1)
	r := NewReader(strings.NewReader("a\n\n" + long + "\nb\n" + long[:MaxLine] + "\n" + long))
	var got []string
	for {
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			line = []byte(err.Error())
		}
		got = append(got, string(line[:min(10, len(line))]))
	}
	if want := []string{"a", "", "the line i", "b", "the line i", "the line i"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}

// Whatever a line holds, it is an observation with an id, or an error.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"id":"a","content":"x","embedding":{"packed":{"data":"AACAPw==","encoding":"VECTOR_ENCODING_F32_LE"}},"generation":3,"committed_at":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"content":"x","embedding":{"values":[1,2e-7]},"quarantine_reason":"y"}`))
	f.Add([]byte(`{"engram_export":1}`))
	f.Add([]byte(`{"engram_export_end":1}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		o, err := Parse(line)
		if err == nil && o.ID == "" {
			t.Error("no id")
		}
		_, _, _ = ParseHeader(line)
		_, _ = ParseEnd(line)
	})
}
