// Command asm writes the kernels of package vector for amd64, in AVX2 with FMA
// and in AVX-512: the distances of float32 vectors (here), the comparisons of
// their codes (codes.go, bits.go) and what makes the codes (encode.go). It is a
// module of its own so that avo is no dependency of the service. Run it with go
// generate in package vector.
//
// The kernels over float32 come in two forms. The single one compares two vectors. The
// grouped one compares a query with rows at given addresses, four at a time:
// each part of the query is loaded once for four rows, and while a group is
// worked on, the beginnings of the next four rows are prefetched (the
// processor's own prefetcher goes on from there, once it sees them read).
// Neither reads beyond its vectors: what is left after whole registers is
// loaded under a mask. They check nothing; their callers do.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	groupRows     = 4
	cacheLine     = 64 // bytes
	prefetchLines = 4
	floatBytes    = 4
)

// isa is a register width.
type isa struct {
	name   string
	floats int // float32 in a register
}

var (
	avx2   = isa{"AVX2", 8}
	avx512 = isa{"AVX512", 16}
)

func (v isa) bytes() int { return v.floats * floatBytes }

func (v isa) register() reg.VecVirtual {
	if v == avx512 {
		return ZMM()
	}
	return YMM()
}

// zeros returns n registers that hold 0.
func (v isa) zeros(n int) []reg.VecVirtual {
	out := make([]reg.VecVirtual, n)
	for i := range out {
		out[i] = v.register()
		v.clear(out[i])
	}
	return out
}

func (v isa) clear(r reg.VecVirtual) {
	if v == avx512 {
		VPXORD(r, r, r)
		return
	}
	VXORPS(r, r, r)
}

// mask is the set of lanes that hold the last rem floats: a mask register
// under AVX-512, a vector register under AVX2.
func (v isa) mask(rem reg.GPVirtual, table Mem) Op {
	if v == avx512 {
		one, k := GP32(), K()
		MOVL(U32(1), one)
		SHLXL(rem.As32(), one, one)
		DECL(one)
		KMOVW(one, k)
		return k
	}
	// table is 8 words of ones and 8 of zeros; the window that starts 8−rem
	// words in has rem ones.
	address, at, m := GP64(), GP64(), YMM()
	LEAQ(table, address)
	MOVQ(U64(8), at)
	SUBQ(rem, at)
	VMOVDQU(Mem{Base: address, Index: at, Scale: floatBytes}, m)
	return m
}

// loadMasked loads the lanes of mask and clears the others, touching no memory
// for those.
func (v isa) loadMasked(m Mem, mask Op, to reg.VecVirtual) {
	if v == avx512 {
		VMOVUPS_Z(m, mask, to)
		return
	}
	VMASKMOVPS(m, mask, to)
}

// sum adds up the lanes of r, into lane 0 of the result.
func (v isa) sum(r reg.VecVirtual) reg.VecVirtual {
	y := r
	if v == avx512 {
		t := YMM()
		VEXTRACTF64X4(U8(1), r, t)
		VADDPS(r.AsY(), t, t)
		y = t
	}
	x := XMM()
	VEXTRACTF128(U8(1), y.AsY(), x)
	VADDPS(y.AsX(), x, x)
	VHADDPS(x, x, x)
	VHADDPS(x, x, x)
	return x
}

// metric is what is summed over the components.
type metric struct {
	name string
	// add accumulates the term of q and the row part in memory.
	add func(v isa, q reg.VecVirtual, row Mem, acc reg.VecVirtual)
	// addLoaded does so for a row part that is in a register, which it spoils.
	addLoaded func(q, row, acc reg.VecVirtual)
}

var dot = metric{
	name: "dot",
	add: func(_ isa, q reg.VecVirtual, row Mem, acc reg.VecVirtual) {
		VFMADD231PS(row, q, acc)
	},
	addLoaded: func(q, row, acc reg.VecVirtual) { VFMADD231PS(row, q, acc) },
}

var squaredEuclidean = metric{
	name: "squaredEuclidean",
	add: func(v isa, q reg.VecVirtual, row Mem, acc reg.VecVirtual) {
		d := v.register()
		VSUBPS(row, q, d)
		VFMADD231PS(d, d, acc)
	},
	addLoaded: func(q, row, acc reg.VecVirtual) {
		VSUBPS(row, q, row)
		VFMADD231PS(row, row, acc)
	},
}

func main() {
	ConstraintExpr("amd64")
	table := GLOBL("tailMask", RODATA|NOPTR)
	for i := range 16 {
		word := uint32(0)
		if i < 8 {
			word = 0xffffffff
		}
		DATA(i*floatBytes, U32(word))
	}
	for _, v := range []isa{avx2, avx512} {
		for _, m := range []metric{dot, squaredEuclidean} {
			single(v, m, table)
			grouped(v, m, table)
		}
	}
	codeKernels()
	walkKernels()
	Generate()
}

func single(v isa, m metric, table Mem) {
	const unroll = 4
	name := m.name + v.name
	TEXT(name, NOSPLIT, "func(a, b *float32, n int) float32")
	Pragma("noescape")
	Doc(name + " works on two vectors of n floats.")
	a, b := Load(Param("a"), GP64()), Load(Param("b"), GP64())
	n := Load(Param("n"), GP64()).(reg.GPVirtual)
	acc := v.zeros(unroll)
	step := func(i int) {
		q := v.register()
		VMOVUPS(Mem{Base: a, Disp: i * v.bytes()}, q)
		m.add(v, q, Mem{Base: b, Disp: i * v.bytes()}, acc[i])
	}
	advance := func(registers int) {
		ADDQ(U32(registers*v.bytes()), a)
		ADDQ(U32(registers*v.bytes()), b)
		SUBQ(U32(registers*v.floats), n)
	}
	Label("blocks")
	CMPQ(n, U32(unroll*v.floats))
	JL(LabelRef("registers"))
	for i := range unroll {
		step(i)
	}
	advance(unroll)
	JMP(LabelRef("blocks"))
	Label("registers")
	CMPQ(n, U32(v.floats))
	JL(LabelRef("tail"))
	step(0)
	advance(1)
	JMP(LabelRef("registers"))
	Label("tail")
	TESTQ(n, n)
	JZ(LabelRef("sum"))
	mask := v.mask(n, table)
	x, y := v.register(), v.register()
	v.loadMasked(Mem{Base: a}, mask, x)
	v.loadMasked(Mem{Base: b}, mask, y)
	m.addLoaded(x, y, acc[1])
	Label("sum")
	VADDPS(acc[0], acc[1], acc[0])
	VADDPS(acc[2], acc[3], acc[2])
	VADDPS(acc[0], acc[2], acc[0])
	s := v.sum(acc[0])
	VZEROUPPER()
	Store(s, ReturnIndex(0))
	RET()
}

func grouped(v isa, m metric, table Mem) {
	const unroll = 2
	name := m.name + "Groups" + v.name
	TEXT(name, NOSPLIT, "func(q *float32, rows **float32, groups, n int, out *float32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s compares q with %d rows for each of groups > 0; each has n floats.", name, groupRows))
	q, rows := Load(Param("q"), GP64()), Load(Param("rows"), GP64())
	groups, out := Load(Param("groups"), GP64()), Load(Param("out"), GP64())
	rem := Load(Param("n"), GP64()).(reg.GPVirtual)
	// Byte offsets where whole pairs of registers end, and whole registers.
	pairs, whole := GP64(), GP64()
	MOVQ(rem, pairs)
	ANDQ(I32(-unroll*v.floats), pairs)
	SHLQ(U8(2), pairs)
	MOVQ(rem, whole)
	ANDQ(I32(-v.floats), whole)
	SHLQ(U8(2), whole)
	ANDQ(U32(v.floats-1), rem)
	mask := v.mask(rem, table)

	var row [groupRows]reg.Register
	for i := range row {
		row[i] = GP64()
	}
	acc := make([]reg.VecVirtual, groupRows*unroll)
	for i := range acc {
		acc[i] = v.register()
	}
	off := GP64()
	step := func(h int) {
		part := v.register()
		VMOVUPS(Mem{Base: q, Index: off, Scale: 1, Disp: h * v.bytes()}, part)
		for i := range row {
			m.add(v, part, Mem{Base: row[i], Index: off, Scale: 1, Disp: h * v.bytes()}, acc[unroll*i+h])
		}
	}

	Label("group")
	for i := range row {
		MOVQ(Mem{Base: rows, Disp: 8 * i}, row[i])
	}
	ADDQ(U32(8*groupRows), rows)
	CMPQ(groups, U32(1))
	JLE(LabelRef("last"))
	for i := range row {
		next := GP64()
		MOVQ(Mem{Base: rows, Disp: 8 * i}, next)
		for line := range prefetchLines {
			PREFETCHT0(Mem{Base: next, Disp: line * cacheLine})
		}
	}
	Label("last")
	for _, a := range acc {
		v.clear(a)
	}
	XORQ(off, off)
	Label("pairs")
	CMPQ(off, pairs)
	JGE(LabelRef("register"))
	for h := range unroll {
		step(h)
	}
	ADDQ(U32(unroll*v.bytes()), off)
	JMP(LabelRef("pairs"))
	Label("register") // at most one whole register is left
	CMPQ(off, whole)
	JGE(LabelRef("tail"))
	step(0)
	ADDQ(U32(v.bytes()), off)
	Label("tail")
	TESTQ(rem, rem)
	JZ(LabelRef("sum"))
	part := v.register()
	v.loadMasked(Mem{Base: q, Index: off, Scale: 1}, mask, part)
	for i := range row {
		r := v.register()
		v.loadMasked(Mem{Base: row[i], Index: off, Scale: 1}, mask, r)
		m.addLoaded(part, r, acc[unroll*i+1])
	}
	Label("sum")
	for i := range row {
		VADDPS(acc[unroll*i], acc[unroll*i+1], acc[unroll*i])
		VMOVSS(v.sum(acc[unroll*i]), Mem{Base: out, Disp: floatBytes * i})
	}
	ADDQ(U32(floatBytes*groupRows), out)
	DECQ(groups)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}
