package vector

import "fmt"

// block is how many rows are handed to a grouped kernel at a time: enough to
// amortise the call, few enough for their addresses to lie on the stack.
const block = 64

// DotRows sets out[i] to the inner product of query and row i of rows, for
// every i < len(out). rows is flat and holds at least len(out) rows.
func DotRows(query, rows, out []float32) {
	dim := mustHold(query, rows, len(out))
	if groupRows() == 0 {
		for i := range out {
			out[i] = dot(query, rows[i*dim:(i+1)*dim])
		}
		return
	}
	var at [block]*float32
	for len(out) > 0 {
		n := min(block, len(out))
		for i := range n {
			at[i] = &rows[i*dim]
		}
		dotAt(query, at[:n], out[:n])
		rows, out = rows[n*dim:], out[n:]
	}
}

// SquaredEuclideanRows is [DotRows] with the squared Euclidean distance.
func SquaredEuclideanRows(query, rows, out []float32) {
	dim := mustHold(query, rows, len(out))
	if groupRows() == 0 {
		for i := range out {
			out[i] = squaredEuclidean(query, rows[i*dim:(i+1)*dim])
		}
		return
	}
	var at [block]*float32
	for len(out) > 0 {
		n := min(block, len(out))
		for i := range n {
			at[i] = &rows[i*dim]
		}
		squaredEuclideanAt(query, at[:n], out[:n])
		rows, out = rows[n*dim:], out[n:]
	}
}

// DotGather sets out[i] to the inner product of query and row rows[i] of the
// flat base. It panics if a row lies outside base.
func DotGather(query, base []float32, rows []uint32, out []float32) {
	dim := len(query)
	out = out[:len(rows)]
	if groupRows() == 0 || dim == 0 {
		for i, r := range rows {
			out[i] = dot(query, rowOf(base, int(r), dim))
		}
		return
	}
	var at [block]*float32
	for len(rows) > 0 {
		n := min(block, len(rows))
		for i, r := range rows[:n] {
			at[i] = &rowOf(base, int(r), dim)[0]
		}
		dotAt(query, at[:n], out[:n])
		rows, out = rows[n:], out[n:]
	}
}

// SquaredEuclideanGather is [DotGather] with the squared Euclidean distance.
func SquaredEuclideanGather(query, base []float32, rows []uint32, out []float32) {
	dim := len(query)
	out = out[:len(rows)]
	if groupRows() == 0 || dim == 0 {
		for i, r := range rows {
			out[i] = squaredEuclidean(query, rowOf(base, int(r), dim))
		}
		return
	}
	var at [block]*float32
	for len(rows) > 0 {
		n := min(block, len(rows))
		for i, r := range rows[:n] {
			at[i] = &rowOf(base, int(r), dim)[0]
		}
		squaredEuclideanAt(query, at[:n], out[:n])
		rows, out = rows[n:], out[n:]
	}
}

// dotAt runs the grouped kernel over the rows at the given addresses and the
// single one over what is left. Each address is that of len(query) floats.
func dotAt(query []float32, at []*float32, out []float32) {
	grouped := len(at) - len(at)%groupRows()
	if grouped > 0 {
		dotGroups(query, at[:grouped], out[:grouped])
	}
	for i := grouped; i < len(at); i++ {
		out[i] = dot(query, sliceAt(at[i], len(query)))
	}
}

func squaredEuclideanAt(query []float32, at []*float32, out []float32) {
	grouped := len(at) - len(at)%groupRows()
	if grouped > 0 {
		squaredEuclideanGroups(query, at[:grouped], out[:grouped])
	}
	for i := grouped; i < len(at); i++ {
		out[i] = squaredEuclidean(query, sliceAt(at[i], len(query)))
	}
}

// rowOf is the checked access that keeps the kernels, which check nothing,
// inside base.
func rowOf(base []float32, row, dim int) []float32 {
	return base[row*dim : (row+1)*dim : (row+1)*dim]
}

func mustHold(query, rows []float32, n int) (dim int) {
	dim = len(query)
	if len(rows) < n*dim || dim == 0 && n > 0 {
		panic(fmt.Sprintf("vector: %d floats do not hold %d rows of %d", len(rows), n, dim))
	}
	return dim
}
