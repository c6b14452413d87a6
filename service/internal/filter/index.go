package filter

import (
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/engram-stream/engram/service/internal/memory"
)

// Bounds of an index. What does not fit is not indexed, and answered by Match.
const (
	MaxIndexedKeys      = 256
	MaxIndexedPerKey    = 4096 // distinct values of one key
	MaxIndexedValues    = 65536
	MaxIndexedString    = 64 // bytes
	maxIndexedRowLeaves = 64 // metadata values of one row
	maxIndexedRowDepth  = 8  // levels of objects and lists in one row
)

// Index maps values of fields to bitmaps of the rows that have them.
//
// Invariants, for every row that was added and every key:
//   - a key that is in keys and not dropped has all rows with a value under
//     it in present, and each such row in the bitmap of each of its values,
//     in long (for a string over MaxIndexedString), or in opaque;
//   - a key that is not in keys has no rows, unless overflow is set;
//   - opaque rows have metadata that was too large to be taken in; they may
//     match any clause on metadata.
//
// Rows that are deleted are masked by whoever deletes them, until [Index.Remove]
// takes them out so that nothing of them stays behind.
//
// One goroutine adds and removes; any number may ask meanwhile, or take an
// image. The lock is a leaf: nothing else is locked while it is held. Memory is
// bounded by MaxIndexedValues strings and bitmaps, each bitmap by its rows.
type Index struct {
	mu       sync.RWMutex
	keys     map[string]*postings
	rows     *roaring.Bitmap // every row that was added
	changes  uint64          // how often a row came or went
	opaque   *roaring.Bitmap
	values   int    // distinct values over all keys
	overflow bool   // a key was refused for lack of room
	key      []byte // "metadata", with room to append to
}

// postings are the rows of one key, by value.
type postings struct {
	dropped bool // too many distinct values; everything else is nil
	present *roaring.Bitmap
	long    *roaring.Bitmap
	strings map[string]*roaring.Bitmap
	numbers map[float64]*roaring.Bitmap
	bools   [2]*roaring.Bitmap
	null    *roaring.Bitmap
	values  int
}

// NewIndex makes an empty index.
func NewIndex() *Index {
	return &Index{
		keys: map[string]*postings{}, rows: roaring.New(), opaque: roaring.New(),
		key: append(make([]byte, 0, 2*MaxKeyBytes), "metadata"...),
	}
}

// Add takes in one row. Rows should come in rising order, which is fastest. A
// row that is there already is left as it is. It does not retain o.
func (x *Index) Add(row uint32, o *memory.Observation) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.rows.CheckedAdd(row) {
		return
	}
	x.changes++
	builtin(o, func(key string, v any) { x.post(x.named(key), row, v) })
	leaves := maxIndexedRowLeaves
	var room [fewNames]string
	for _, name := range sortedNames(room[:0], o.Metadata) {
		if !x.walk(appendName(x.key, name), row, o.Metadata[name], 1, &leaves) {
			x.opaque.Add(row)
			break
		}
	}
}

// fewNames is how many names of an object are sorted without allocating.
const fewNames = 16

// sortedNames appends the names of an object to dst. Sorted, so that what the
// index holds follows from the rows alone: which keys and values found room
// doesn't hang on the order in which a map happens to be walked.
func sortedNames(dst []string, object map[string]any) []string {
	for name := range object {
		dst = append(dst, name)
	}
	slices.Sort(dst)
	return dst
}

// builtin visits the values of the fields that every observation has.
func builtin(o *memory.Observation, visit func(key string, v any)) {
	for _, c := range [...]struct{ key, value string }{
		{"context.location", o.Context.Location},
		{"context.reason", o.Context.Reason},
		{"context.method", o.Context.Method},
	} {
		if c.value != "" {
			visit(c.key, c.value)
		}
	}
	for _, s := range o.Context.Participants {
		visit("context.participants", s)
	}
	visit("confidence", float64(o.Confidence))
	visit("importance", float64(o.Importance))
	visit("emotional_valence", float64(o.EmotionalValence))
}

// walk takes in everything under v, whose key is key. It reports false when
// the row is too large.
func (x *Index) walk(key []byte, row uint32, v any, depth int, leaves *int) bool {
	if *leaves--; *leaves < 0 || depth > maxIndexedRowDepth {
		return false
	}
	if len(key) > MaxKeyBytes {
		return true // no clause can ask for it, nor for what is under it
	}
	switch v := v.(type) {
	case map[string]any:
		x.post(x.at(key), row, v)
		var room [fewNames]string
		for _, name := range sortedNames(room[:0], v) {
			if !x.walk(appendName(key, name), row, v[name], depth+1, leaves) {
				return false
			}
		}
	case []any:
		x.post(x.at(key), row, v)
		for _, e := range v {
			if !x.walk(key, row, e, depth+1, leaves) {
				return false
			}
		}
	default:
		x.post(x.at(key), row, v)
	}
	return true
}

// at finds or makes the postings of a key; nil when there is no room for it.
// Looking up a known key allocates nothing.
func (x *Index) at(key []byte) *postings {
	if p := x.keys[string(key)]; p != nil {
		return p
	}
	return x.named(string(key))
}

func (x *Index) named(key string) *postings {
	p := x.keys[key]
	if p == nil {
		// Once a key was refused, so are all new ones, whatever Remove makes
		// room for: rows may have them already.
		if x.overflow || len(x.keys) == MaxIndexedKeys {
			x.overflow = true
			return nil
		}
		p = &postings{present: roaring.New(), long: roaring.New()}
		x.keys[key] = p
	}
	return p
}

// post adds the row under one value. A value that is no scalar only makes the
// key present.
func (x *Index) post(p *postings, row uint32, v any) {
	if p == nil || p.dropped {
		return
	}
	p.present.Add(row)
	rows, long := p.rows(v)
	switch {
	case long:
		p.long.Add(row)
	case rows == nil: // not a scalar, or NaN, which equals nothing
	case *rows != nil:
		(*rows).Add(row)
	case p.values == MaxIndexedPerKey:
		x.drop(p)
	default:
		*rows = roaring.BitmapOf(row)
		p.keep(v, *rows)
		p.values++
		if x.values++; x.values > MaxIndexedValues {
			x.drop(x.largest())
		}
	}
}

// rows finds the place of the bitmap for a value. For strings and numbers it
// is a copy, which keep writes back.
func (p *postings) rows(v any) (place **roaring.Bitmap, long bool) {
	switch v := v.(type) {
	case string:
		if len(v) > MaxIndexedString {
			return nil, true
		}
		b := p.strings[v]
		return &b, false
	case float64:
		if v != v { //nolint:staticcheck // NaN
			return nil, false
		}
		b := p.numbers[v]
		return &b, false
	case bool:
		return &p.bools[index(v)], false
	case nil:
		return &p.null, false
	}
	return nil, false
}

func (p *postings) keep(v any, rows *roaring.Bitmap) {
	switch v := v.(type) {
	case string:
		if p.strings == nil {
			p.strings = map[string]*roaring.Bitmap{}
		}
		p.strings[v] = rows
	case float64:
		if p.numbers == nil {
			p.numbers = map[float64]*roaring.Bitmap{}
		}
		p.numbers[v] = rows
	}
}

// drop gives up on a key and frees its memory; it stays known as given up.
func (x *Index) drop(p *postings) {
	x.values -= p.values
	*p = postings{dropped: true}
}

// largest gives the postings with the most values; of several the one whose
// key sorts first.
func (x *Index) largest() *postings {
	var most *postings
	var first string
	for key, p := range x.keys {
		if most == nil || p.values > most.values || p.values == most.values && key < first {
			most, first = p, key
		}
	}
	return most
}
