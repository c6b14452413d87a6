package filter

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var sample = &memory.Observation{
	ID:         "note-1",
	ObservedAt: noon,
	Confidence: 0.7,
	Importance: 0.25,
	Context:    memory.Context{Location: "kitchen", Participants: []string{"ada", "bob"}},
	Metadata: map[string]any{
		"country": "FR",
		"year":    1998.0,
		"draft":   false,
		"gone":    nil,
		"tags":    []any{"red", 7.0, []any{"deep"}},
		"empty":   []any{},
		"a.b":     "dotted",
		"author":  map[string]any{"name": "Maria", "books": []any{map[string]any{"title": "One"}, map[string]any{"title": "Two"}}},
	},
}

func eq(key string, v any) Clause      { return Clause{Key: key, Op: Equals, Values: []any{v}} }
func in(key string, v ...any) Clause   { return Clause{Key: key, Op: In, Values: v} }
func exists(key string, b bool) Clause { return Clause{Key: key, Op: Exists, Exists: b} }
func from(key string, v any) Clause    { return Clause{Key: key, Op: Range, Min: &Bound{Value: v}} }
func above(key string, v any) Clause   { return Clause{Key: key, Op: Range, Min: &Bound{v, true}} }
func below(key string, v any) Clause   { return Clause{Key: key, Op: Range, Max: &Bound{v, true}} }
func upTo(key string, v any) Clause    { return Clause{Key: key, Op: Range, Max: &Bound{Value: v}} }
func between(key string, a, b any) Clause {
	return Clause{Key: key, Op: Range, Min: &Bound{Value: a}, Max: &Bound{Value: b}}
}

func compile(t testing.TB, e Expr) *Predicate {
	t.Helper()
	p, err := Compile(e)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMatchClause(t *testing.T) {
	for _, c := range []struct {
		name   string
		clause Clause
		want   bool
	}{
		{"id", eq("id", "note-1"), true},
		{"id in", in("id", "x", "note-1"), true},
		{"other id", eq("id", "note-2"), false},
		{"confidence is float32", eq("confidence", 0.7), true},
		{"confidence range", between("confidence", 0.7, 0.7), true},
		{"confidence above itself", above("confidence", 0.7), false},
		{"confidence below itself", below("confidence", 0.7), false},
		{"confidence up to itself", upTo("confidence", 0.7), true},
		{"valence default", eq("emotional_valence", 0.0), true},
		{"time equal in another zone", eq("observed_at", "2026-03-01T13:00:00+01:00"), true},
		{"time from", from("observed_at", "2026-03-01T11:59:59.5Z"), true},
		{"time above", above("observed_at", "2026-03-01T12:00:00Z"), false},
		{"no expiry", from("expires_at", "1970-01-01T00:00:00Z"), false},
		{"no expiry exists", exists("expires_at", false), true},
		{"location", eq("context.location", "kitchen"), true},
		{"no reason equals nothing", eq("context.reason", ""), false},
		{"no method", exists("context.method", true), false},
		{"participant", eq("context.participants", "bob"), true},
		{"participant range", from("context.participants", "bo"), true},
		{"string", eq("metadata.country", "FR"), true},
		{"case matters", eq("metadata.country", "fr"), false},
		{"number", eq("metadata.year", 1998.0), true},
		{"number as string", eq("metadata.year", "1998"), false},
		{"number range", between("metadata.year", 1990.0, 1998.0), true},
		{"number in string range", between("metadata.year", "0", "9"), false},
		{"string in number range", between("metadata.country", 0.0, 9.0), false},
		{"string range", between("metadata.country", "FA", "FZ"), true},
		{"bool", eq("metadata.draft", false), true},
		{"other bool", eq("metadata.draft", true), false},
		{"null", eq("metadata.gone", nil), true},
		{"missing is not null", eq("metadata.nothing", nil), false},
		{"null exists", exists("metadata.gone", true), true},
		{"missing", exists("metadata.nothing", false), true},
		{"element", eq("metadata.tags", "red"), true},
		{"number element", above("metadata.tags", 6.0), true},
		{"nested list", eq("metadata.tags", "deep"), true},
		{"empty list exists", exists("metadata.empty", true), true},
		{"empty list has nothing", eq("metadata.empty", nil), false},
		{"nested", eq("metadata.author.name", "Maria"), true},
		{"objects in a list", in("metadata.author.books.title", "Two"), true},
		{"object exists", exists("metadata.author", true), true},
		{"object equals nothing", in("metadata.author", nil, true, "Maria"), false},
		{"path through a scalar", exists("metadata.country.name", true), false},
		{"escaped dot", eq(`metadata.a\.b`, "dotted"), true},
		{"unescaped dot", exists("metadata.a.b", true), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := compile(t, Expr{All: []Clause{c.clause}}).Match(sample); got != c.want {
				t.Errorf("matches: %v, want %v", got, c.want)
			}
			if got := compile(t, Expr{None: []Clause{c.clause}}).Match(sample); got == c.want {
				t.Errorf("as none, matches: %v, want %v", got, !c.want)
			}
		})
	}
}

func TestMatchGroups(t *testing.T) {
	yes, no := eq("metadata.country", "FR"), eq("metadata.country", "DE")
	for _, c := range []struct {
		expr Expr
		want bool
	}{
		{Expr{}, true},
		{Expr{All: []Clause{yes, yes}}, true},
		{Expr{All: []Clause{yes, no}}, false},
		{Expr{Any: []Clause{no, yes}}, true},
		{Expr{Any: []Clause{no, no}}, false},
		{Expr{None: []Clause{no, yes}}, false},
		{Expr{All: []Clause{yes}, Any: []Clause{yes, no}, None: []Clause{no}}, true},
		{Expr{All: []Clause{yes}, Any: []Clause{no}}, false},
	} {
		p := compile(t, c.expr)
		if got := p.Match(sample); got != c.want {
			t.Errorf("%+v matches: %v", c.expr, got)
		}
		if n := len(c.expr.All) + len(c.expr.Any) + len(c.expr.None); p.Empty() != (n == 0) {
			t.Errorf("%+v is empty: %v", c.expr, p.Empty())
		}
	}
	var none *Predicate
	if !none.Empty() || !none.Match(sample) {
		t.Error("no predicate matches everything")
	}
}

func TestCompileErrors(t *testing.T) {
	many := make([]any, MaxValues)
	for i := range many {
		many[i] = float64(i)
	}
	for _, c := range []struct {
		name string
		expr Expr
		says string
	}{
		{"clauses", Expr{Any: make([]Clause, MaxClauses+1)}, "65 clauses; the limit is 64"},
		{"values", Expr{All: []Clause{in("metadata.x", many...), eq("id", "x")}}, "all[1]"},
		{"bare key", Expr{None: []Clause{eq("country", "FR")}}, `filter.none[0]: key "country" is not a field`},
		{"suggestion", Expr{All: []Clause{eq("country", "FR")}}, `did you mean "metadata.country"`},
		{"known keys", Expr{All: []Clause{eq("country", "FR")}}, "context.location"},
		{"content", Expr{All: []Clause{eq("content", "x")}}, "not a field"},
		{"empty key", Expr{All: []Clause{eq("", "x")}}, "key is empty"},
		{"long key", Expr{All: []Clause{eq("metadata."+strings.Repeat("x", MaxKeyBytes), "x")}}, "265 bytes; the limit is 256"},
		{"empty name", Expr{All: []Clause{eq("metadata.a..b", "x")}}, "empty name"},
		{"no path", Expr{All: []Clause{eq("metadata.", "x")}}, "empty name"},
		{"dangling escape", Expr{All: []Clause{eq(`metadata.a\`, "x")}}, "empty name"},
		{"deep", Expr{All: []Clause{eq("metadata"+strings.Repeat(".x", MaxDepth+1), "x")}}, "33 levels"},
		{"no test", Expr{All: []Clause{{Key: "id"}}}, "no test is set"},
		{"equals two", Expr{All: []Clause{{Key: "id", Op: Equals, Values: []any{"a", "b"}}}}, "one value, not 2"},
		{"in none", Expr{All: []Clause{in("id")}}, "at least one"},
		{"type", Expr{All: []Clause{eq("confidence", "high")}}, "confidence takes a number"},
		{"string type", Expr{All: []Clause{eq("context.location", true)}}, "takes a string"},
		{"time", Expr{All: []Clause{eq("observed_at", "yesterday")}}, "RFC 3339"},
		{"time number", Expr{All: []Clause{from("observed_at", 5.0)}}, "RFC 3339"},
		{"go type", Expr{All: []Clause{eq("metadata.x", 5)}}, "value is int"},
		{"nan", Expr{All: []Clause{eq("metadata.x", math.NaN())}}, "NaN"},
		{"open range", Expr{All: []Clause{{Key: "metadata.x", Op: Range}}}, "neither min nor max"},
		{"mixed range", Expr{All: []Clause{between("metadata.x", 1.0, "z")}}, "number at one end"},
		{"bool range", Expr{All: []Clause{from("metadata.x", true)}}, "range min is bool"},
		{"long value", Expr{All: []Clause{eq("metadata.x", strings.Repeat("x", MaxStringBytes+1))}}, "65537 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Compile(c.expr)
			var f *fault.Error
			if !errors.As(err, &f) || f.Reason != fault.InvalidFilter || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error is %v, want one that says %q", err, c.says)
			}
		})
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	p := compile(t, Expr{
		All:  []Clause{in("metadata.country", "DE", "FR"), from("metadata.year", 1990.0), from("observed_at", "2026-01-01T00:00:00Z")},
		Any:  []Clause{eq("context.participants", "bob"), eq("metadata.author.books.title", "Three")},
		None: []Clause{eq("metadata.draft", true)},
	})
	if n := testing.AllocsPerRun(100, func() {
		if !p.Match(sample) {
			t.Fatal("does not match")
		}
	}); n != 0 {
		t.Errorf("%v allocations per match", n)
	}
}
