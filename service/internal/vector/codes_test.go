package vector

import (
	"math/rand/v2"
	"testing"
	"unsafe"
)

// codeDraws are the kinds of bytes that are tried; 7-bit codes take the lower
// seven bits of them.
var codeDraws = map[string]func(*rand.Rand) byte{
	"random":   func(r *rand.Rand) byte { return byte(r.Uint32()) },
	"least":    func(*rand.Rand) byte { return 0 },
	"most":     func(*rand.Rand) byte { return 255 },
	"extremes": func(r *rand.Rand) byte { return byte(-(r.Uint32() & 1)) },
	"middle":   func(*rand.Rand) byte { return u7Middle },
}

// codeDims are dimensions from 2 to 4,096, most of them odd.
func codeDims() []int {
	out := []int{2, 63, 64, 65, 127, 128, 129, 191, 192, 193, 255, 384, 511, 512, 513, 768, 1000, 1023, 1536, 2047, 3001, 4095, 4096}
	for n := 3; n < 48; n += 4 {
		out = append(out, n)
	}
	return out
}

var comparisons = map[string]comparison{
	"u7Dot": u7Dot, "u7SquaredEuclidean": u7SquaredEuclidean, "hamming": hamming, "planes": planes,
}

// codeBytes draws rows codes of dim components that begin off bytes into a
// line. What lies around them is 255: a kernel that reads it gives itself away.
func codeBytes(r *rand.Rand, op comparison, dim, rows, off int, draw func(*rand.Rand) byte) (codes []byte, stride int) {
	stride = SignStride(dim)
	if op == u7Dot || op == u7SquaredEuclidean {
		stride = U7Stride(dim)
	}
	all := NewCodeChunk(1, off+rows*stride+codeAlign)
	for i := range all {
		all[i] = 255
	}
	codes = all[off : off+rows*stride : off+rows*stride]
	clear(codes)
	for i := range rows {
		row := codes[i*stride : (i+1)*stride]
		if op == u7Dot || op == u7SquaredEuclidean {
			for j := range dim {
				row[j] = draw(r) & 127
			}
			continue
		}
		for j := range (dim + 7) / 8 {
			row[j] = draw(r)
		}
		if dim%8 != 0 {
			row[dim/8] &= 1<<(dim%8) - 1
		}
	}
	return codes, stride
}

// naive is the definition, component by component.
func naive(op comparison, dim int, q, row []byte) (sum int32) {
	n := len(row)
	for i := range dim {
		bit := func(code []byte) int32 { return int32(code[i/8] >> (i % 8) & 1) }
		switch op {
		case u7Dot:
			sum += int32(q[i]) * int32(row[i])
		case u7SquaredEuclidean:
			sum += (int32(q[i]) - int32(row[i])) * (int32(q[i]) - int32(row[i]))
		case hamming:
			sum += bit(q) ^ bit(row)
		default:
			number := bit(q) + 2*bit(q[n:]) + 4*bit(q[2*n:]) - 8*bit(q[3*n:])
			sum += number * bit(row)
		}
	}
	return sum
}

func query(r *rand.Rand, op comparison, dim, off int, draw func(*rand.Rand) byte) []byte {
	q, _ := codeBytes(r, op, dim, op.querySize(1), off, draw)
	return q
}

// checkCodes compares every form of op, under the kernels in use, with want.
func checkCodes(t *testing.T, op comparison, q, codes []byte, stride int, picks []uint32, want []int32) {
	t.Helper()
	const guard = int32(-0x5a5a5a5b)
	fresh := func(n int) []int32 {
		out := make([]int32, n+9)
		for i := range out {
			out[i] = guard
		}
		return out
	}
	rows := len(codes) / stride
	out := fresh(rows)
	scan(op, q, codes, out[:rows])
	for i, got := range out {
		if i < rows && got != want[i] {
			t.Fatalf("scan of %d rows of %d bytes: [%d] is %d, want %d", rows, stride, i, got, want[i])
		} else if i >= rows && got != guard {
			t.Fatalf("scan of %d rows: wrote beyond out", rows)
		}
	}
	for _, shift := range []uint{1, 5} {
		c := Codes{Shift: shift, Stride: stride}
		for at := 0; at < rows; at += 1 << shift {
			c.Flat = append(c.Flat, codes[at*stride:min(rows, at+1<<shift)*stride])
		}
		out = fresh(len(picks))
		c.gather(op, q, picks, out[:len(picks)])
		for i, got := range out {
			if i < len(picks) && got != want[picks[i]] {
				t.Fatalf("gather of %d rows of %d bytes: [%d] is %d, want %d", len(picks), stride, i, got, want[picks[i]])
			} else if i >= len(picks) && got != guard {
				t.Fatalf("gather of %d rows: wrote beyond out", len(picks))
			}
		}
	}
	for i := range min(rows, 3) {
		if got := compare(op, q, codes[i*stride:(i+1)*stride]); got != want[i] {
			t.Fatalf("compare of %d bytes is %d, want %d", stride, got, want[i])
		}
	}
}

func TestCodeKernelsAgreeWithDefinition(t *testing.T) {
	withEachKernels(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 7))
		for name, op := range comparisons {
			for kind, draw := range codeDraws {
				for _, dim := range codeDims() {
					rows := []int{1, 2, 3, 4, 5, 7, 8, 70}[r.IntN(8)]
					if dim > 512 {
						rows = min(rows, 8)
					}
					q := query(r, op, dim, r.IntN(codeAlign), draw)
					codes, stride := codeBytes(r, op, dim, rows, r.IntN(codeAlign), codeDraws["random"])
					if r.IntN(2) == 0 {
						codes, _ = codeBytes(r, op, dim, rows, 0, draw)
					}
					want := make([]int32, rows)
					for i := range want {
						want[i] = naive(op, dim, q, codes[i*stride:(i+1)*stride])
						if got := comparePortable(op, q, codes[i*stride:(i+1)*stride]); got != want[i] {
							t.Fatalf("%s, %s, %d: portable is %d, want %d", name, kind, dim, got, want[i])
						}
					}
					picks := make([]uint32, 1+r.IntN(2*rows+3))
					for i := range picks {
						picks[i] = uint32(r.IntN(rows))
					}
					checkCodes(t, op, q, codes, stride, picks, want)
				}
			}
		}
	})
}

func TestCodesOutsideChunksPanic(t *testing.T) {
	withEachKernels(t, func(t *testing.T) {
		whole, part := NewCodeChunk(4, 64), NewCodeChunk(3, 64)
		c := Codes{Flat: [][]byte{whole, nil, part}, Shift: 2, Stride: 64}
		q := NewCodeChunk(1, 64)
		for row := range uint32(20) {
			there := row < 4 || row >= 8 && row < 11
			for name, f := range map[string]func(){
				"gather":    func() { c.U7Dot(q, []uint32{0, 9, row, 3}, make([]int32, 4)) },
				"euclidean": func() { c.U7SquaredEuclidean(q, []uint32{row}, make([]int32, 1)) },
				"hamming":   func() { c.Hamming(q, []uint32{row}, make([]int32, 1)) },
				"row":       func() { c.Row(row) },
			} {
				if panics(f) == there {
					t.Errorf("%s of row %d: there is %v, panic is %v", name, row, there, !there)
				}
			}
		}
		for name, f := range map[string]func(){
			"no chunks":     func() { Codes{Stride: 64}.U7Dot(q, []uint32{0}, make([]int32, 1)) },
			"far row":       func() { c.U7Dot(q, []uint32{1<<32 - 1}, make([]int32, 1)) },
			"short query":   func() { c.U7Dot(q[:63], []uint32{0}, make([]int32, 1)) },
			"ragged stride": func() { Codes{Flat: c.Flat, Stride: 60}.U7Dot(q[:60], []uint32{0}, make([]int32, 1)) },
			"short rows":    func() { U7DotRows(q, whole[:255], make([]int32, 4)) },
			"short out":     func() { c.U7Dot(q, []uint32{0, 1}, make([]int32, 1)) },
			"no stride":     func() { HammingRows(nil, whole, make([]int32, 1)) },
		} {
			if !panics(f) {
				t.Errorf("%s: no panic", name)
			}
		}
	})
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

func TestCodeChunksAreAligned(t *testing.T) {
	for rows := range 70 {
		for _, stride := range []int{8, 16, 48, 64, 448} {
			b := NewCodeChunk(rows, stride)
			if len(b) != rows*stride || cap(b) != len(b) {
				t.Fatalf("%d of %d: %d bytes, room for %d", rows, stride, len(b), cap(b))
			}
			if at := uintptr(unsafe.Pointer(unsafe.SliceData(b))); len(b) > 0 && at%codeAlign != 0 {
				t.Fatalf("%d of %d begins at %#x", rows, stride, at)
			}
		}
	}
	for dim, want := range map[int][2]int{1: {64, 8}, 64: {64, 8}, 65: {128, 16}, 384: {384, 48}, 4096: {4096, 512}} {
		if got := [2]int{U7Stride(dim), SignStride(dim)}; got != want {
			t.Errorf("strides of %d are %v, want %v", dim, got, want)
		}
	}
}

// FuzzCodeKernelsAgree reads a query and rows of the length that the first
// arguments give, and picks, out of the data.
func FuzzCodeKernelsAgree(f *testing.F) {
	f.Add(uint16(2), uint8(0), uint8(0), []byte{1, 2, 3})
	f.Add(uint16(384), uint8(1), uint8(17), make([]byte, 3000))
	f.Add(uint16(129), uint8(2), uint8(63), []byte("some bits of no importance whatever, but many"))
	f.Add(uint16(700), uint8(3), uint8(5), []byte{255})
	f.Fuzz(func(t *testing.T, size uint16, which, off uint8, data []byte) {
		dim, op := 1+int(size)%MaxDimension, comparison(which%4)
		i := 0
		next := func(*rand.Rand) byte {
			i++
			if len(data) == 0 {
				return byte(i * 37)
			}
			return data[i%len(data)] + byte(i/len(data))
		}
		rows := 1 + int(next(nil))%9
		q := query(nil, op, dim, int(off)%codeAlign, next)
		codes, stride := codeBytes(nil, op, dim, rows, int(off/3)%codeAlign, next)
		want := make([]int32, rows)
		for i := range want {
			want[i] = naive(op, dim, q, codes[i*stride:(i+1)*stride])
		}
		picks := make([]uint32, 1+int(next(nil))%80)
		for i := range picks {
			picks[i] = uint32(int(next(nil)) % rows)
		}
		withEachKernels(t, func(t *testing.T) { checkCodes(t, op, q, codes, stride, picks, want) })
	})
}

func TestCodesAllocateNothing(t *testing.T) {
	withEachKernels(t, func(t *testing.T) {
		for name, op := range comparisons {
			q := query(nil, op, 100, 0, func(*rand.Rand) byte { return 3 })
			codes, stride := codeBytes(nil, op, 100, 9, 0, func(*rand.Rand) byte { return 5 })
			c := Codes{Flat: [][]byte{codes}, Shift: 4, Stride: stride}
			rows, out := []uint32{0, 8, 3, 3, 1}, make([]int32, 9)
			if n := testing.AllocsPerRun(100, func() {
				c.gather(op, q, rows, out)
				scan(op, q, codes, out)
				out[0] = compare(op, q, c.Row(2))
			}); n != 0 {
				t.Errorf("%s: %v allocations", name, n)
			}
		}
	})
}
