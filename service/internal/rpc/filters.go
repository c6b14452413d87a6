package rpc

import (
	"math"

	"google.golang.org/protobuf/types/known/structpb"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/filter"
)

// filterOf translates a filter. What it means is for package filter to judge.
func filterOf(m *v1.Filter) (filter.Expr, error) {
	var x filter.Expr
	if m == nil {
		return x, nil
	}
	for _, part := range []struct {
		from []*v1.FilterClause
		to   *[]filter.Clause
	}{{m.All, &x.All}, {m.Any, &x.Any}, {m.None, &x.None}} {
		for _, c := range part.from {
			clause, err := clauseOf(c)
			if err != nil {
				return x, err
			}
			*part.to = append(*part.to, clause)
		}
	}
	return x, nil
}

func clauseOf(m *v1.FilterClause) (filter.Clause, error) {
	c := filter.Clause{Key: m.GetKey()}
	if err := finiteClause(m); err != nil {
		return c, err
	}
	switch t := m.GetTest().(type) {
	case *v1.FilterClause_Equals:
		c.Op, c.Values = filter.Equals, []any{t.Equals.AsInterface()}
	case *v1.FilterClause_In:
		c.Op, c.Values = filter.In, t.In.AsSlice()
	case *v1.FilterClause_Range:
		c.Op = filter.Range
		c.Min, c.Max = bound(t.Range.GetMin(), t.Range.GetMinExclusive()), bound(t.Range.GetMax(), t.Range.GetMaxExclusive())
	case *v1.FilterClause_Exists:
		c.Op, c.Exists = filter.Exists, t.Exists
	default:
		return c, fault.New(fault.InvalidArgument, fault.InvalidFilter, "the clause on %q has no test", c.Key).In("filter")
	}
	return c, nil
}

// finiteClause fails for numbers that compare to nothing. They have to be found
// here: structpb makes strings of them ("NaN", "Infinity"), which would match
// such strings.
func finiteClause(m *v1.FilterClause) error {
	list := append([]*structpb.Value{m.GetEquals(), m.GetRange().GetMin(), m.GetRange().GetMax()}, m.GetIn().GetValues()...)
	for _, v := range list {
		if n := v.GetNumberValue(); math.IsNaN(n) || math.IsInf(n, 0) {
			return fault.New(fault.InvalidArgument, fault.InvalidFilter, "the clause on %q has a number that is NaN or infinite; leave the end of a range out to have it open", m.GetKey()).In("filter")
		}
	}
	return nil
}

func bound(v *structpb.Value, exclusive bool) *filter.Bound {
	if v == nil {
		return nil
	}
	return &filter.Bound{Value: v.AsInterface(), Exclusive: exclusive}
}
