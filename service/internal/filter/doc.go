// Package filter holds structured predicates over observations, and an index
// that answers most of them with a bitmap of rows.
//
// A recall, a listing or a Forget may carry a filter. It is compiled once, with
// every error found then; the space asks its [Index] for candidate rows, and
// where the answer is not exact it lets [Predicate.Match] decide. Either way
// the result is the same: the index only saves work.
//
// Values compare by type: a number never equals a string. A list matches when
// one of its elements does. A missing field matches nothing but "exists:
// false"; in particular it is not equal to null.
//
// Floor F2. It imports memory and fault.
package filter
