package filter

import "github.com/engram-stream/engram/service/internal/memory"

// Remove takes a row out: no value of it stays behind, nor a key or a value
// that no other row has. o is what the row was added with. That a key was
// dropped, or refused for lack of room, stays so. A row that is not there
// changes nothing.
func (x *Index) Remove(row uint32, o *memory.Observation) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.rows.CheckedRemove(row) {
		return
	}
	x.changes++
	x.opaque.Remove(row)
	builtin(o, func(key string, v any) { x.unpost(key, row, v) })
	for name, v := range o.Metadata {
		x.unwalk(appendName(x.key, name), row, v, 1)
	}
}

// unwalk takes out everything under v that walk may have taken in: of a row
// that was too large that is not all of it, so it goes over all values, but no
// deeper than walk.
func (x *Index) unwalk(key []byte, row uint32, v any, depth int) {
	if depth > maxIndexedRowDepth || len(key) > MaxKeyBytes {
		return
	}
	x.unpost(string(key), row, v)
	switch v := v.(type) {
	case map[string]any:
		for name, e := range v {
			x.unwalk(appendName(key, name), row, e, depth+1)
		}
	case []any:
		for _, e := range v {
			x.unwalk(key, row, e, depth+1)
		}
	}
}

// unpost takes the row out from under one value, and forgets the value when it
// was the last, and the key when nothing is left under it.
func (x *Index) unpost(key string, row uint32, v any) {
	p := x.keys[key]
	if p == nil || p.dropped {
		return
	}
	p.present.Remove(row)
	rows, long := p.rows(v)
	if long {
		p.long.Remove(row)
	} else if rows != nil && *rows != nil {
		(*rows).Remove(row)
		if (*rows).IsEmpty() {
			*rows = nil
			p.forget(v)
			p.values--
			x.values--
		}
	}
	// A row has its key's other values still until they are met.
	if p.values == 0 && p.present.IsEmpty() && p.long.IsEmpty() {
		delete(x.keys, key)
	}
}

func (p *postings) forget(v any) {
	switch v := v.(type) {
	case string:
		delete(p.strings, v)
	case float64:
		delete(p.numbers, v)
	}
}
