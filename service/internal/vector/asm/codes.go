package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The kernels over codes compare bytes and sum in int32, exactly: every form
// of one gives the same number. Each comes for a pair, for rows at given
// addresses ("At") and for rows that lie a stride apart ("Rows"). The two
// latter take four rows at a time under AVX-512 and, for 7-bit codes, under
// AVX2. The At form prefetches, beside each line that it reads of one group,
// the same line of the group that comes next.

// rowSource is how a kernel finds its rows.
type rowSource struct {
	name string
	at   bool // rows at addresses; otherwise a stride apart
}

var (
	rowsAt      = rowSource{"At", true}
	rowsStrided = rowSource{"Rows", false}
)

func (s rowSource) begin(kernel, unit string) (name string) {
	name = kernel + s.name
	if s.at {
		TEXT(name, NOSPLIT, fmt.Sprintf("func(q *byte, at **byte, %s, n int, out *int32)", unit))
	} else {
		TEXT(name, NOSPLIT, fmt.Sprintf("func(q *byte, base *byte, stride, %s, n int, out *int32)", unit))
	}
	Pragma("noescape")
	return name
}

// group holds what a kernel over groups of four rows needs.
type group struct {
	source         rowSource
	q, out, off, n reg.Register
	list, count    reg.Register
	stride         reg.Register
	row            [groupRows]reg.Register
	next           []reg.Register // what is prefetched line by line, if it is
}

// newGroup takes the parameters. byLine says to prefetch beside each line, and
// otherwise the first and the last of each row when the group begins: that is
// all of a short row, and takes no registers.
func newGroup(s rowSource, byLine bool) *group {
	g := &group{source: s}
	g.q, g.out = Load(Param("q"), GP64()), Load(Param("out"), GP64())
	g.count, g.n = Load(Param("groups"), GP64()), Load(Param("n"), GP64())
	g.off = GP64()
	for i := range g.row {
		g.row[i] = GP64()
	}
	if s.at {
		g.list = Load(Param("at"), GP64())
		if byLine {
			for range g.row {
				g.next = append(g.next, GP64())
			}
		}
		return g
	}
	g.stride = Load(Param("stride"), GP64())
	g.list = Load(Param("base"), GP64())
	return g
}

// start sets the addresses of the group's rows, and those of the next group's,
// which are its own when it is the last. last is where a row's last line
// begins, for those that are not prefetched line by line.
func (g *group) start(last Mem) {
	Label("group")
	XORQ(g.off, g.off)
	if !g.source.at {
		MOVQ(g.list, g.row[0])
		for i := 1; i < groupRows; i++ {
			LEAQ(Mem{Base: g.row[i-1], Index: g.stride, Scale: 1}, g.row[i])
		}
		LEAQ(Mem{Base: g.row[groupRows-1], Index: g.stride, Scale: 1}, g.list)
		return
	}
	for i := range g.row {
		MOVQ(Mem{Base: g.list, Disp: 8 * i}, g.row[i])
		if g.next != nil {
			MOVQ(g.row[i], g.next[i])
		}
	}
	ADDQ(U32(8*groupRows), g.list)
	CMPQ(g.count, U32(1))
	JLE(LabelRef("work"))
	for i := range g.row {
		if g.next != nil {
			MOVQ(Mem{Base: g.list, Disp: 8 * i}, g.next[i])
			continue
		}
		next := GP64()
		MOVQ(Mem{Base: g.list, Disp: 8 * i}, next)
		PREFETCHT0(Mem{Base: next})
		last.Base = next
		PREFETCHT0(last)
	}
	Label("work")
}

func (g *group) prefetch(disp int) {
	for _, next := range g.next {
		PREFETCHT0(Mem{Base: next, Index: g.off, Scale: 1, Disp: disp})
	}
}

// end stores the sums, in the lanes of x, and goes on to the next group.
func (g *group) end(x reg.VecVirtual) {
	VMOVDQU(x, Mem{Base: g.out})
	ADDQ(U32(4*groupRows), g.out)
	DECQ(g.count)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

// u7Metric is what is summed over the bytes of two 7-bit codes.
type u7Metric struct {
	name string
	// operands makes of q and a row part what is to be multiplied.
	operands func(q reg.VecVirtual, row Mem, t reg.VecVirtual) (unsigned, signed Op)
}

var u7Metrics = []u7Metric{
	{"u7Dot", func(q reg.VecVirtual, row Mem, _ reg.VecVirtual) (Op, Op) { return q, row }},
	{"u7SquaredEuclidean", func(q reg.VecVirtual, row Mem, t reg.VecVirtual) (Op, Op) {
		VPSUBB(row, q, t)
		VPABSB(t, t) // ≤ 127, so that it is right read with or without a sign
		return t, t
	}},
}

// addProducts adds the products to acc, in its int32 lanes.
func (v isa) addProducts(unsigned, signed Op, ones, acc reg.VecVirtual) {
	if v == avx512 {
		VPDPBUSD(signed, unsigned, acc)
		return
	}
	t := v.register()
	VPMADDUBSW(signed, unsigned, t) // two products ≤ 2·127² fit int16
	VPMADDWD(ones, t, t)
	VPADDD(t, acc, acc)
}

// foldInt adds the upper half of a ZMM register to the lower.
func foldInt(r reg.VecVirtual) reg.VecVirtual {
	t := YMM()
	VEXTRACTI64X4(U8(1), r, t)
	VPADDD(r.AsY(), t, t)
	return t
}

// sum4 adds up the int32 lanes of each of four registers.
func (v isa) sum4(acc []reg.VecVirtual) reg.VecVirtual {
	y := make([]reg.Register, groupRows)
	for i := range y {
		y[i] = acc[i]
		if v == avx512 {
			y[i] = foldInt(acc[i])
		}
	}
	a, b, x, h := YMM(), YMM(), XMM(), XMM()
	VPHADDD(y[1], y[0], a)
	VPHADDD(y[3], y[2], b)
	VPHADDD(b, a, a)
	VEXTRACTI128(U8(1), a, h)
	VPADDD(a.AsX(), h, x)
	return x
}

// int16Ones is a register of int16 ones, which only AVX2 needs.
func (v isa) int16Ones() reg.VecVirtual {
	ones := v.register()
	if v == avx2 {
		VPCMPEQW(ones, ones, ones)
		VPSRLW(U8(15), ones, ones)
	}
	return ones
}

func u7Pair(v isa, m u7Metric) {
	name := m.name + v.name
	TEXT(name, NOSPLIT, "func(a, b *byte, n int) int32")
	Pragma("noescape")
	Doc(name + " works on two 7-bit codes of n bytes, a multiple of 64.")
	a, b := Load(Param("a"), GP64()), Load(Param("b"), GP64())
	n := Load(Param("n"), GP64()).(reg.GPVirtual)
	regs := cacheLine / v.bytes()
	ones := v.int16Ones()
	acc := v.zeros(2)
	line := func(disp, first int) {
		for i := range regs {
			q, t := v.register(), v.register()
			VMOVDQUx(v, Mem{Base: a, Disp: disp + i*v.bytes()}, q)
			u, s := m.operands(q, Mem{Base: b, Disp: disp + i*v.bytes()}, t)
			v.addProducts(u, s, ones, acc[(first+i)%2])
		}
	}
	Label("pairs")
	CMPQ(n, U32(2*cacheLine))
	JL(LabelRef("line"))
	line(0, 0)
	line(cacheLine, 1)
	ADDQ(U32(2*cacheLine), a)
	ADDQ(U32(2*cacheLine), b)
	SUBQ(U32(2*cacheLine), n)
	JMP(LabelRef("pairs"))
	Label("line")
	TESTQ(n, n)
	JZ(LabelRef("sum"))
	line(0, 0)
	Label("sum")
	VPADDD(acc[1], acc[0], acc[0])
	r := acc[0]
	if v == avx512 {
		r = foldInt(r)
	}
	x, h := XMM(), XMM()
	VEXTRACTI128(U8(1), r, h)
	VPADDD(r.AsX(), h, x)
	VPHADDD(x, x, x)
	VPHADDD(x, x, x)
	VZEROUPPER()
	s := GP32()
	VMOVD(x, s)
	Store(s, ReturnIndex(0))
	RET()
}

// VMOVDQUx loads a register of either width.
func VMOVDQUx(v isa, m Mem, r reg.VecVirtual) {
	if v == avx512 {
		VMOVDQU64(m, r)
		return
	}
	VMOVDQU(m, r)
}

func u7Grouped(v isa, m u7Metric, s rowSource) {
	name := s.begin(m.name+v.name, "groups")
	Doc(fmt.Sprintf("%s compares q with %d 7-bit codes for each of groups > 0; each has n bytes, a multiple of 64.", name, groupRows))
	g := newGroup(s, true)
	regs := cacheLine / v.bytes()
	ones := v.int16Ones()
	unroll := 1
	if v == avx512 {
		unroll = 2 // hides the latency of VPDPBUSD
	}
	acc := make([]reg.VecVirtual, groupRows*unroll)
	for i := range acc {
		acc[i] = v.register()
	}
	line := func(l int) {
		g.prefetch(l * cacheLine)
		for h := range regs {
			disp := l*cacheLine + h*v.bytes()
			q := v.register()
			VMOVDQUx(v, Mem{Base: g.q, Index: g.off, Scale: 1, Disp: disp}, q)
			for i := range g.row {
				t := v.register()
				u, sgn := m.operands(q, Mem{Base: g.row[i], Index: g.off, Scale: 1, Disp: disp}, t)
				v.addProducts(u, sgn, ones, acc[i+groupRows*l])
			}
		}
	}
	g.start(Mem{})
	for _, a := range acc {
		v.clear(a)
	}
	if unroll == 2 {
		TESTQ(U32(cacheLine), g.n)
		JZ(LabelRef("lines"))
		line(0)
		ADDQ(U32(cacheLine), g.off)
	}
	Label("lines")
	CMPQ(g.off, g.n)
	JGE(LabelRef("sum"))
	for l := range unroll {
		line(l)
	}
	ADDQ(U32(unroll*cacheLine), g.off)
	JMP(LabelRef("lines"))
	Label("sum")
	if unroll == 2 {
		for i := range g.row {
			VPADDD(acc[i+groupRows], acc[i], acc[i])
		}
	}
	g.end(v.sum4(acc))
}

// codeKernels writes all of them.
func codeKernels() {
	for _, v := range []isa{avx2, avx512} {
		for _, m := range u7Metrics {
			u7Pair(v, m)
			u7Grouped(v, m, rowsAt)
			u7Grouped(v, m, rowsStrided)
		}
	}
	for _, m := range bitMetrics {
		bitGrouped(m, rowsAt)
		bitGrouped(m, rowsStrided)
		bitScalar(m, rowsAt)
		bitScalar(m, rowsStrided)
	}
	shortPlanes()
	addresses()
	for _, v := range []isa{avx2, avx512} {
		encodeU7(v)
		encodeSigns(v)
		centredMoments(v)
	}
}
