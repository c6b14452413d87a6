package engram

import (
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

func TestFilters(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 500, time.UTC)
	for _, x := range []struct {
		clause Clause
		want   string
	}{
		{Eq("metadata.country", "Italy"), `{"key":"metadata.country","equals":"Italy"}`},
		{Eq("metadata.seen", nil), `{"key":"metadata.seen","equals":null}`},
		{In("metadata.points", 88, 92.5, true), `{"key":"metadata.points","in":[88,92.5,true]}`},
		{Between("confidence", 0.5, nil), `{"key":"confidence","range":{"min":0.5}}`},
		{Above("importance", 0), `{"key":"importance","range":{"min":0,"minExclusive":true}}`},
		{Below("observed_at", noon), `{"key":"observed_at","range":{"max":"2026-03-01T12:00:00.0000005Z","maxExclusive":true}}`},
		{Between("observed_at", noon, noon), `{"key":"observed_at","range":{"min":"2026-03-01T12:00:00.0000005Z","max":"2026-03-01T12:00:00.0000005Z"}}`},
		{Exists("context.location", false), `{"key":"context.location","exists":false}`},
	} {
		f := Where(x.clause)
		got, err := f.toWire()
		if err != nil {
			t.Fatal(x.want, err)
		}
		var want v1.FilterClause
		if err := protojson.Unmarshal([]byte(x.want), &want); err != nil {
			t.Fatal(x.want, err)
		}
		if !proto.Equal(got.All[0], &want) {
			t.Errorf("got %v, want %v", got.All[0], &want)
		}
	}
}

func TestFiltersThatCannotBe(t *testing.T) {
	for name, c := range map[string]Clause{
		"no JSON value": Eq("metadata.x", make(chan int)), "none in a list": In("metadata.x", 1, func() {}),
		"lower bound": Between("metadata.x", struct{}{}, 1), "upper bound": Between("metadata.x", 1, struct{}{}), "empty": {},
	} {
		f := Filter{None: []Clause{c}}
		if _, err := f.toWire(); ReasonOf(err) != "INVALID_FILTER" || !IsInvalid(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
