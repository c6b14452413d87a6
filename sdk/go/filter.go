package engram

import (
	"fmt"

	"google.golang.org/protobuf/types/known/structpb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// Filter selects observations by their fields: all of All, at least one of Any
// (if there are any) and none of None must match.
type Filter struct {
	All, Any, None []Clause
}

// Clause is one test of one field. Keys are those of the contract, such as
// "metadata.country", "observed_at" or "context.location".
type Clause struct {
	wire *v1.FilterClause
	err  error
}

// Eq matches when the field equals a number, string, bool or nil.
func Eq(key string, value any) Clause {
	v, err := structpb.NewValue(value)
	return Clause{&v1.FilterClause{Key: key, Test: &v1.FilterClause_Equals{Equals: v}}, err}
}

// In matches when the field equals one of the values.
func In(key string, values ...any) Clause {
	l, err := structpb.NewList(values)
	return Clause{&v1.FilterClause{Key: key, Test: &v1.FilterClause_In{In: l}}, err}
}

// Between matches when lo ≤ field ≤ hi; a nil bound is open.
func Between(key string, lo, hi any) Clause {
	r := &v1.FilterRange{}
	var err error
	if lo != nil {
		r.Min, err = structpb.NewValue(lo)
	}
	if hi != nil && err == nil {
		r.Max, err = structpb.NewValue(hi)
	}
	return Clause{&v1.FilterClause{Key: key, Test: &v1.FilterClause_Range{Range: r}}, err}
}

// Exists matches when the field is there, or, with false, is not.
func Exists(key string, there bool) Clause {
	return Clause{&v1.FilterClause{Key: key, Test: &v1.FilterClause_Exists{Exists: there}}, nil}
}

// Where is the filter that all clauses must match.
func Where(all ...Clause) Filter { return Filter{All: all} }

func (f *Filter) toWire() (*v1.Filter, error) {
	if f == nil {
		return nil, nil
	}
	out := &v1.Filter{}
	for _, part := range []struct {
		from []Clause
		to   *[]*v1.FilterClause
	}{{f.All, &out.All}, {f.Any, &out.Any}, {f.None, &out.None}} {
		for _, c := range part.from {
			if c.err != nil {
				return nil, &Error{Code: "invalid_argument", Reason: "INVALID_FILTER", Field: "filter", Message: fmt.Sprintf("clause on %q: %v", c.wire.Key, c.err)}
			}
			*part.to = append(*part.to, c.wire)
		}
	}
	return out, nil
}
