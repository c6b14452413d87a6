package engram

import (
	"errors"
	"fmt"
	"time"

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

// Eq matches when the field equals a number, string, bool, time or nil.
func Eq(key string, value any) Clause {
	v, err := valueOf(value)
	return Clause{&v1.FilterClause{Key: key, Test: &v1.FilterClause_Equals{Equals: v}}, err}
}

// In matches when the field equals one of the values.
func In(key string, values ...any) Clause {
	l := &structpb.ListValue{}
	var err error
	for _, x := range values {
		v, e := valueOf(x)
		l.Values, err = append(l.Values, v), errors.Join(err, e)
	}
	return Clause{&v1.FilterClause{Key: key, Test: &v1.FilterClause_In{In: l}}, err}
}

// Between matches when lo ≤ field ≤ hi, of numbers, strings or times; a nil
// bound is open.
func Between(key string, lo, hi any) Clause { return interval(key, lo, hi, false) }

// Above matches when lo < field.
func Above(key string, lo any) Clause { return interval(key, lo, nil, true) }

// Below matches when field < hi.
func Below(key string, hi any) Clause { return interval(key, nil, hi, true) }

func interval(key string, lo, hi any, strict bool) Clause {
	r := &v1.FilterRange{}
	var errLo, errHi error
	if lo != nil {
		r.Min, errLo = valueOf(lo)
		r.MinExclusive = strict
	}
	if hi != nil {
		r.Max, errHi = valueOf(hi)
		r.MaxExclusive = strict
	}
	return Clause{&v1.FilterClause{Key: key, Test: &v1.FilterClause_Range{Range: r}}, errors.Join(errLo, errHi)}
}

// valueOf converts a value; a time is written as the contract has it (RFC 3339).
func valueOf(v any) (*structpb.Value, error) {
	if t, ok := v.(time.Time); ok {
		v = t.Format(time.RFC3339Nano)
	}
	return structpb.NewValue(v)
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
			if c.wire == nil {
				return nil, &Error{Code: "invalid_argument", Reason: "INVALID_FILTER", Field: "filter", Message: "a clause is empty: Eq, In, Between, Above, Below and Exists make one"}
			}
			if c.err != nil {
				return nil, &Error{Code: "invalid_argument", Reason: "INVALID_FILTER", Field: "filter", Message: fmt.Sprintf("clause on %q: %v", c.wire.Key, c.err)}
			}
			*part.to = append(*part.to, c.wire)
		}
	}
	return out, nil
}
