package rpc

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/filter"
)

var (
	num = structpb.NewNumberValue
	str = structpb.NewStringValue
)

func equals(v *structpb.Value) *v1.FilterClause {
	return &v1.FilterClause{Key: "metadata.k", Test: &v1.FilterClause_Equals{Equals: v}}
}

func span(m *v1.FilterRange) *v1.FilterClause {
	return &v1.FilterClause{Key: "metadata.k", Test: &v1.FilterClause_Range{Range: m}}
}

func oneOf(list ...*structpb.Value) *v1.FilterClause {
	return &v1.FilterClause{Key: "metadata.k", Test: &v1.FilterClause_In{In: &structpb.ListValue{Values: list}}}
}

func TestFilterOf(t *testing.T) {
	exists := &v1.FilterClause{Key: "expires_at", Test: &v1.FilterClause_Exists{Exists: true}}
	got, err := filterOf(&v1.Filter{
		All:  []*v1.FilterClause{equals(str("a")), equals(structpb.NewNullValue()), exists},
		Any:  []*v1.FilterClause{oneOf(num(1), structpb.NewBoolValue(true))},
		None: []*v1.FilterClause{span(&v1.FilterRange{Min: num(1), MaxExclusive: true, Max: num(2)}), span(&v1.FilterRange{Min: str("b"), MinExclusive: true})},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := filter.Expr{
		All: []filter.Clause{
			{Key: "metadata.k", Op: filter.Equals, Values: []any{"a"}}, {Key: "metadata.k", Op: filter.Equals, Values: []any{nil}},
			{Key: "expires_at", Op: filter.Exists, Exists: true},
		},
		Any: []filter.Clause{{Key: "metadata.k", Op: filter.In, Values: []any{1.0, true}}},
		None: []filter.Clause{
			{Key: "metadata.k", Op: filter.Range, Min: &filter.Bound{Value: 1.0}, Max: &filter.Bound{Value: 2.0, Exclusive: true}},
			{Key: "metadata.k", Op: filter.Range, Min: &filter.Bound{Value: "b", Exclusive: true}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := filter.Compile(got); err != nil {
		t.Error(err)
	}
	if x, err := filterOf(nil); err != nil || len(x.All)+len(x.Any)+len(x.None) != 0 {
		t.Errorf("no filter became %+v, %v", x, err)
	}
}

// TestFiltersThatMeanNothing: among them numbers that structpb would turn into
// the strings "NaN" and "Infinity".
func TestFiltersThatMeanNothing(t *testing.T) {
	for name, c := range map[string]*v1.FilterClause{
		"nil":                 nil,
		"no test":             {Key: "metadata.k"},
		"equals NaN":          equals(num(math.NaN())),
		"in infinity":         oneOf(str("a"), num(math.Inf(1))),
		"from minus infinity": span(&v1.FilterRange{Min: num(math.Inf(-1)), Max: num(1)}),
		"up to NaN":           span(&v1.FilterRange{Max: num(math.NaN())}),
		"from nothing":        span(&v1.FilterRange{Min: &structpb.Value{}}),
		"range without ends":  span(nil),
		"equals a list":       equals(nested(1)),
		"in without list":     {Key: "metadata.k", Test: &v1.FilterClause_In{}},
	} {
		t.Run(name, func(t *testing.T) {
			x, err := filterOf(&v1.Filter{None: []*v1.FilterClause{c}})
			if err == nil {
				_, err = filter.Compile(x)
			}
			var f *fault.Error
			if !errors.As(err, &f) || f.Code != fault.InvalidArgument || f.Reason != fault.InvalidFilter {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestCueOf(t *testing.T) {
	nan := float32(math.NaN())
	packed := &v1.Embedding{Packed: &v1.PackedVector{Encoding: v1.VectorEncoding_VECTOR_ENCODING_F32_LE}}
	for name, c := range map[string]struct {
		ask    *v1.RecallRequest
		reason fault.Reason
	}{
		"text":           {&v1.RecallRequest{Cue: &v1.RecallRequest_Text{Text: ""}}, ""},
		"vector":         {&v1.RecallRequest{Cue: &v1.RecallRequest_Embedding{Embedding: &v1.Embedding{Values: []float32{1}}}}, ""},
		"no vector":      {&v1.RecallRequest{Cue: &v1.RecallRequest_Embedding{}}, fault.InvalidCue},
		"empty bytes":    {&v1.RecallRequest{Cue: &v1.RecallRequest_Embedding{Embedding: packed}}, fault.InvalidCue},
		"NaN similarity": {&v1.RecallRequest{MinSimilarity: &nan}, fault.InvalidField},
		"bad filter":     {&v1.RecallRequest{Filter: &v1.Filter{All: []*v1.FilterClause{nil}}}, fault.InvalidFilter},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := cueOf(c.ask)
			if c.reason == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var f *fault.Error
			if !errors.As(err, &f) || f.Reason != c.reason {
				t.Errorf("%v, want %s", err, c.reason)
			}
		})
	}
}
