package filter

// Op is the test that a clause makes.
type Op uint8

// The tests. The zero value is none, so that a forgotten one is noticed.
const (
	_      Op = iota
	Equals    // the field has the one value
	In        // the field has one of the values
	Range     // the field lies between Min and Max
	Exists    // the field is there, or is not
)

// Bound is one end of a range.
type Bound struct {
	// Value is a float64 or a string. For observed_at and expires_at a string
	// is a time as in RFC 3339; elsewhere strings are in byte order.
	Value any
	// Exclusive leaves the value itself out.
	Exclusive bool
}

// Clause is one test of one field.
type Clause struct {
	// Key names the field: one of the observation's own, or
	// "metadata.<path>" with dots between the names of nested objects. A dot
	// or backslash within a name is escaped by a backslash.
	Key string
	Op  Op
	// Values has one element for Equals and any number for In; each is nil, a
	// bool, a float64 or a string.
	Values []any
	// Min and Max are for Range; at least one is set, and both have one type.
	Min, Max *Bound
	// Exists is for Exists.
	Exists bool
}

// Expr is a filter: all of All, at least one of Any (if there are any) and
// none of None must match. The zero Expr matches everything.
type Expr struct {
	All, Any, None []Clause
}

// Bounds of one expression.
const (
	MaxClauses  = 64
	MaxValues   = 1000 // over all clauses
	MaxKeyBytes = 256
	// MaxDepth is how deep a metadata path may go, and how many levels of
	// lists within lists are looked into.
	MaxDepth = 32
	// MaxStringBytes bounds each string value.
	MaxStringBytes = 64 << 10
)
