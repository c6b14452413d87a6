package vector

import "unsafe"

// Chunks are rows spread over several flat slices of 2^Shift rows each, so
// that they can grow without moving: row r is row r mod 2^Shift of
// Flat[r>>Shift]. Its zero value holds nothing.
type Chunks struct {
	Flat  [][]float32
	Shift uint
}

// Row returns row r of dim components; it panics if there is none.
func (c Chunks) Row(r uint32, dim int) []float32 {
	return rowOf(c.Flat[r>>c.Shift], int(r&(1<<c.Shift-1)), dim)
}

// Dot sets out[i] to the inner product of query and row rows[i].
func (c Chunks) Dot(query []float32, rows []uint32, out []float32) {
	dim := len(query)
	out = out[:len(rows)]
	if groupRows() == 0 || dim == 0 {
		for i, r := range rows {
			out[i] = dot(query, c.Row(r, dim))
		}
		return
	}
	var at [block]*float32
	for len(rows) > 0 {
		n := min(block, len(rows))
		for i, r := range rows[:n] {
			at[i] = &c.Row(r, dim)[0]
		}
		dotAt(query, at[:n], out[:n])
		rows, out = rows[n:], out[n:]
	}
}

// SquaredEuclidean is Dot with the squared Euclidean distance.
func (c Chunks) SquaredEuclidean(query []float32, rows []uint32, out []float32) {
	dim := len(query)
	out = out[:len(rows)]
	if groupRows() == 0 || dim == 0 {
		for i, r := range rows {
			out[i] = squaredEuclidean(query, c.Row(r, dim))
		}
		return
	}
	var at [block]*float32
	for len(rows) > 0 {
		n := min(block, len(rows))
		for i, r := range rows[:n] {
			at[i] = &c.Row(r, dim)[0]
		}
		squaredEuclideanAt(query, at[:n], out[:n])
		rows, out = rows[n:], out[n:]
	}
}

// sliceAt is the row of dim floats whose address was taken by rowOf.
func sliceAt(p *float32, dim int) []float32 { return unsafe.Slice(p, dim) }
