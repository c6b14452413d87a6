package memory

import (
	"reflect"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func drawObservation(t *rapid.T) *Observation {
	moment := func(name string) time.Time {
		if rapid.Bool().Draw(t, name+"?") {
			return time.Time{}
		}
		return time.Unix(0, rapid.Int64Range(-1<<60, 1<<60).Draw(t, name)).UTC()
	}
	o := &Observation{
		ID:               ObservationID(rapid.StringN(1, 40, MaxIDLength).Draw(t, "id")),
		Content:          rapid.String().Draw(t, "content"),
		Encoding:         Encoding(rapid.Uint8Range(0, 3).Draw(t, "encoding")),
		ObservedAt:       moment("observed"),
		ExpiresAt:        moment("expires"),
		Confidence:       rapid.Float32Range(0, 1).Draw(t, "confidence"),
		Importance:       rapid.Float32Range(0, 1).Draw(t, "importance"),
		EmotionalValence: rapid.Float32Range(-1, 1).Draw(t, "valence"),
		DecayRate:        rapid.Float32Range(0, 10).Draw(t, "decay"),
		Context: Context{
			Location:     rapid.String().Draw(t, "location"),
			Participants: rapid.SliceOfN(rapid.String(), 1, 3).Draw(t, "participants"),
			Reason:       rapid.String().Draw(t, "reason"),
			Method:       rapid.String().Draw(t, "method"),
		},
		Priority:    Lane(rapid.Uint8Range(0, 2).Draw(t, "priority")),
		Replace:     rapid.Bool().Draw(t, "replace"),
		TraceParent: rapid.String().Draw(t, "traceparent"),
	}
	if rapid.Bool().Draw(t, "metadata?") {
		o.Metadata = map[string]any{
			"text": rapid.StringMatching(`[a-z]{0,8}`).Draw(t, "m.text"), "n": rapid.Float64Range(-1e6, 1e6).Draw(t, "m.n"),
			"list": []any{"a", 1.0, true, nil}, "deep": map[string]any{"er": "x"},
		}
	}
	if rapid.Bool().Draw(t, "digest?") {
		o.Digest = [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "digest"))
	}
	return o
}

func TestRecordRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawObservation(t)
		b, err := AppendRecord(nil, o)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseRecord(b)
		if err != nil {
			t.Fatal(err)
		}
		// A negative zero is a zero: equal as a number, not as bits.
		if !reflect.DeepEqual(o, back) && o.EmotionalValence != 0 {
			t.Fatalf("wrote %+v\nread  %+v", o, back)
		}
		id, digest := RecordID(b)
		if id != o.ID || digest != o.Digest {
			t.Fatalf("RecordID = %q %x, want %q %x", id, digest, o.ID, o.Digest)
		}
	})
}

func TestDigestIgnoresTraceAndServerVector(t *testing.T) {
	a := &Observation{ID: "a", Content: "x", Vector: []float32{1, 2}, TraceParent: "00-1"}
	b := &Observation{ID: "a", Content: "x", Vector: []float32{3, 4}, TraceParent: "00-2"}
	da, _ := DigestOf(a)
	db, _ := DigestOf(b)
	if da != db {
		t.Fatal("two sendings of one text differ")
	}
	a.Encoding, b.Encoding = EncodingValues, EncodingValues
	da, _ = DigestOf(a)
	db, _ = DigestOf(b)
	if da == db {
		t.Fatal("two vectors sent by the client have one digest")
	}
}

func FuzzParseRecord(f *testing.F) {
	seed, _ := AppendRecord(nil, &Observation{ID: "id", Content: "text", Metadata: map[string]any{"k": "v"}, ObservedAt: time.Unix(1, 2)})
	f.Add(seed)
	f.Add([]byte{})
	f.Add([]byte{0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		RecordID(b)
		o, err := ParseRecord(b)
		if err != nil {
			return
		}
		again, err := AppendRecord(nil, o)
		if err != nil {
			return
		}
		if _, err := ParseRecord(again); err != nil {
			t.Fatalf("own output is not readable: %v", err)
		}
	})
}

func TestValidName(t *testing.T) {
	for s, want := range map[string]bool{
		"abc": true, "a_b-9": true, "ab": false, "": false, "Abc": false, "a b": false, "ä-b": false,
		string(make([]byte, 65)): false,
	} {
		if ValidName(s) != want {
			t.Errorf("ValidName(%q) = %v", s, !want)
		}
	}
	for id, want := range map[ObservationID]bool{"x": true, "": false, "a\nb": false, "é": true, ObservationID([]byte{0xff}): false} {
		if id.Valid() != want {
			t.Errorf("%q.Valid() = %v", id, !want)
		}
	}
}

func TestDerivedIDs(t *testing.T) {
	a, b := DerivedID(7, 1), DerivedID(7, 1)
	if a != b || a == DerivedID(7, 2) || a == DerivedID(8, 1) || !a.Valid() {
		t.Fatalf("derived ids: %q %q", a, b)
	}
	if !ValidName(string(NewSessionID())) {
		t.Fatal("a drawn session id is not a valid name")
	}
}
