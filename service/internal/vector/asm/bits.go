package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	wordBytes   = 8
	queryPlanes = 4
)

// bitMetric is what is counted over the bits of a 1-bit code.
type bitMetric struct {
	name, what string
	planes     int // codes that the query consists of, each n bytes
}

var bitMetrics = []bitMetric{
	{"hamming", "counts the bits in which q and %s differ", 1},
	{"planes", "sums the 4-bit numbers, in two's complement and as four planes of n bytes in q, at the bits that are set in %s", queryPlanes},
}

// bitGrouped is the kernel for VPOPCNTQ: eight words at a time, the last of
// them under a mask.
func bitGrouped(m bitMetric, s rowSource) {
	name := s.begin(m.name+"AVX512", "groups")
	Doc(fmt.Sprintf("%s "+m.what+", for %d rows of each of groups > 0; codes have n bytes, a multiple of 8.", name, "each row", groupRows))
	v := avx512
	g := newGroup(s, false)
	// n becomes where whole registers end; the mask has a bit for each word left.
	rem, mask := GP64(), K()
	MOVQ(g.n, rem)
	ANDQ(U32(cacheLine-1), rem)
	SUBQ(rem, g.n)
	one := GP32()
	SHRQ(U8(3), rem)
	MOVL(U32(1), one)
	SHLXL(rem.As32(), one, one)
	DECL(one)
	KMOVW(one, mask)
	planes := []Mem{{Base: g.q, Index: g.off, Scale: 1}}
	if m.planes > 1 {
		// The planes are n bytes apart, n with what is left.
		full := GP64()
		LEAQ(Mem{Base: g.n, Index: rem, Scale: wordBytes}, full)
		planes = nil
		base := g.q
		for range m.planes {
			planes = append(planes, Mem{Base: base, Index: g.off, Scale: 1})
			next := GP64()
			LEAQ(Mem{Base: base, Index: full, Scale: 1}, next)
			base = next
		}
	}
	acc := make([]reg.VecVirtual, groupRows)
	for i := range acc {
		acc[i] = v.register()
	}
	block := func(load func(Mem, reg.VecVirtual)) {
		q := make([]reg.VecVirtual, m.planes)
		for b := range q {
			q[b] = v.register()
			load(planes[b], q[b])
		}
		for i := range g.row {
			r := v.register()
			load(Mem{Base: g.row[i], Index: g.off, Scale: 1}, r)
			if m.planes == 1 {
				VPXORQ(r, q[0], r)
				VPOPCNTQ(r, r)
				VPADDQ(r, acc[i], acc[i])
				continue
			}
			t := make([]reg.VecVirtual, m.planes)
			for b := range t {
				t[b] = v.register()
				VPANDQ(r, q[b], t[b])
				VPOPCNTQ(t[b], t[b])
				if b > 0 {
					VPSLLQ(U8(b), t[b], t[b])
				}
			}
			VPADDQ(t[1], t[0], t[0])
			VPSUBQ(t[3], t[2], t[2]) // the sign's plane weighs −8
			VPADDQ(t[2], t[0], t[0])
			VPADDQ(t[0], acc[i], acc[i])
		}
	}
	g.start(Mem{Index: g.n, Scale: 1})
	for _, a := range acc {
		v.clear(a)
	}
	Label("registers")
	CMPQ(g.off, g.n)
	JGE(LabelRef("tail"))
	block(func(from Mem, r reg.VecVirtual) { VMOVDQU64(from, r) })
	ADDQ(U32(cacheLine), g.off)
	JMP(LabelRef("registers"))
	Label("tail")
	TESTQ(rem, rem)
	JZ(LabelRef("sum"))
	block(func(from Mem, r reg.VecVirtual) { VMOVDQU64_Z(from, mask, r) })
	Label("sum")
	// Rows 0 and 1 side by side in each pair of words, as 2 and 3; then the
	// four pairs of both are added up.
	var pair [2]reg.VecVirtual
	for i := range pair {
		lo, hi, y := ZMM(), ZMM(), YMM()
		VPUNPCKLQDQ(acc[2*i+1], acc[2*i], lo)
		VPUNPCKHQDQ(acc[2*i+1], acc[2*i], hi)
		VPADDQ(hi, lo, lo)
		VEXTRACTI64X4(U8(1), lo, y)
		VPADDQ(lo.AsY(), y, y)
		pair[i] = y
	}
	lo, hi, x := YMM(), YMM(), XMM()
	VINSERTI128(U8(1), pair[1].AsX(), pair[0], lo)
	VPERM2I128(U8(0x31), pair[1], pair[0], hi)
	VPADDQ(hi, lo, lo)
	VPMOVQD(lo, x)
	g.end(x)
}

// Codes of 65 to 128 components have shortBytes: four of them fill a register,
// where one would leave three quarters of it to nothing.
const (
	shortBytes = 16
	shortRows  = 8 // of a group
)

// shortPlanes is the kernel for codes of shortBytes that lie one after the other.
func shortPlanes() {
	const name = "shortPlanesAVX512Rows"
	order := GLOBL("shortPlanesOrder", RODATA|NOPTR)
	for i, at := range []uint64{0, 2, 4, 6, 1, 3, 5, 7} {
		DATA(8*i, U64(at))
	}
	TEXT(name, NOSPLIT, "func(q *byte, base *byte, groups int, out *int32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s sums the 4-bit numbers, in two's complement and as four planes of %d bytes in q, at the bits that are set in each row, for %d rows of each of groups > 0; codes have %d bytes.", name, shortBytes, shortRows, shortBytes))
	q, base := Load(Param("q"), GP64()), Load(Param("base"), GP64())
	groups, out := Load(Param("groups"), GP64()), Load(Param("out"), GP64())
	var plane [queryPlanes]reg.VecVirtual
	for b := range plane {
		plane[b] = ZMM()
		VBROADCASTI32X4(Mem{Base: q, Disp: b * shortBytes}, plane[b])
	}
	index := ZMM()
	VMOVDQU64(order, index)
	Label("group")
	var four [shortRows * shortBytes / cacheLine]reg.VecVirtual
	for i := range four {
		row := ZMM()
		VMOVDQU64(Mem{Base: base, Disp: i * cacheLine}, row)
		var t [queryPlanes]reg.VecVirtual
		for b := range t {
			t[b] = ZMM()
			VPANDQ(row, plane[b], t[b])
			VPOPCNTQ(t[b], t[b])
		}
		// t0 + 2·(t1 + 2·(t2 − 2·t3)): the sign's plane weighs −8.
		VPADDQ(t[3], t[3], t[3])
		VPSUBQ(t[3], t[2], t[2])
		VPADDQ(t[2], t[2], t[2])
		VPADDQ(t[1], t[2], t[2])
		VPADDQ(t[2], t[2], t[2])
		VPADDQ(t[0], t[2], t[2])
		four[i] = t[2]
	}
	// The halves of each row side by side, rows 0 and 4, 1 and 5 and so on.
	lo, hi, y := ZMM(), ZMM(), YMM()
	VPUNPCKLQDQ(four[1], four[0], lo)
	VPUNPCKHQDQ(four[1], four[0], hi)
	VPADDQ(hi, lo, lo)
	VPERMQ(lo, index, lo)
	VPMOVQD(lo, y)
	VMOVDQU(y, Mem{Base: out})
	ADDQ(U32(shortRows*shortBytes), base)
	ADDQ(U32(4*shortRows), out)
	DECQ(groups)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

// bitScalar is the kernel for POPCNT, one row after the other: for codes as
// short as these it keeps up with counting by VPSHUFB, and it has no tail.
func bitScalar(m bitMetric, s rowSource) {
	name := s.begin(m.name+"POPCNT", "rows")
	Doc(fmt.Sprintf("%s "+m.what+", for each of rows > 0; codes have n bytes, a multiple of 8, at least 8.", name, "each row"))
	q, n := Load(Param("q"), GP64()), Load(Param("n"), GP64())
	rows, out := Load(Param("rows"), GP64()), Load(Param("out"), GP64())
	var list, stride reg.Register
	row := GP64()
	if s.at {
		list = Load(Param("at"), GP64())
	} else {
		stride, list = Load(Param("stride"), GP64()), Load(Param("base"), GP64())
	}
	plane := []reg.Register{q}
	for b := 1; b < m.planes; b++ {
		next := GP64()
		LEAQ(Mem{Base: plane[b-1], Index: n, Scale: 1}, next)
		plane = append(plane, next)
	}
	off, acc := GP64(), GP64()
	Label("row")
	if s.at {
		MOVQ(Mem{Base: list}, row)
		ADDQ(U32(8), list)
	} else {
		MOVQ(list, row)
		ADDQ(stride, list)
	}
	XORQ(off, off)
	XORQ(acc, acc)
	Label("words")
	word, t := GP64(), GP64()
	MOVQ(Mem{Base: row, Index: off, Scale: 1}, word)
	if m.planes == 1 {
		XORQ(Mem{Base: q, Index: off, Scale: 1}, word)
		POPCNTQ(word, t)
		ADDQ(t, acc)
	} else {
		for b := range plane {
			t = GP64()
			MOVQ(Mem{Base: plane[b], Index: off, Scale: 1}, t)
			ANDQ(word, t)
			POPCNTQ(t, t)
			switch b {
			case 3:
				SHLQ(U8(3), t)
				SUBQ(t, acc)
			default:
				LEAQ(Mem{Base: acc, Index: t, Scale: uint8(1 << b)}, acc)
			}
		}
	}
	ADDQ(U32(wordBytes), off)
	CMPQ(off, n)
	JL(LabelRef("words"))
	MOVL(acc.As32(), Mem{Base: out})
	ADDQ(U32(4), out)
	DECQ(rows)
	JNZ(LabelRef("row"))
	RET()
}

// addresses finds rows that are spread over chunks. It is the one place where
// their numbers are checked, and it asks for their first and last lines: of short codes, all.
func addresses() {
	TEXT("codeAddresses", NOSPLIT, "func(chunks *[]byte, count, shift, stride int, rows *uint32, n int, at **byte) int")
	Pragma("noescape")
	Doc("codeAddresses sets at[i] to the address of row rows[i], i < n, in chunks of 1<<shift rows.",
		"It stops at the first row that no chunk holds, and returns how many it found. It needs BMI2.")
	chunks, count := Load(Param("chunks"), GP64()), Load(Param("count"), GP64())
	shift, stride := Load(Param("shift"), GP64()), Load(Param("stride"), GP64())
	rows, n := Load(Param("rows"), GP64()), Load(Param("n"), GP64())
	at := Load(Param("at"), GP64())
	mask, i := GP64(), GP64()
	MOVL(U32(1), mask.As32())
	SHLXQ(shift, mask, mask)
	DECQ(mask)
	XORQ(i, i)
	Label("row")
	CMPQ(i, n)
	JGE(LabelRef("end"))
	row, chunk, length := GP64(), GP64(), GP64()
	MOVL(Mem{Base: rows, Index: i, Scale: 4}, row.As32())
	SHRXQ(shift, row, chunk)
	CMPQ(chunk, count)
	JAE(LabelRef("end"))
	LEAQ(Mem{Base: chunk, Index: chunk, Scale: 2}, chunk) // three words a slice
	ANDQ(mask, row)
	IMULQ(stride, row)
	MOVQ(Mem{Base: chunks, Index: chunk, Scale: 8, Disp: 8}, length)
	SUBQ(stride, length)
	CMPQ(row, length)
	JG(LabelRef("end"))
	ADDQ(Mem{Base: chunks, Index: chunk, Scale: 8}, row)
	PREFETCHT0(Mem{Base: row})
	PREFETCHT0(Mem{Base: row, Index: stride, Scale: 1, Disp: -1})
	MOVQ(row, Mem{Base: at, Index: i, Scale: 8})
	INCQ(i)
	JMP(LabelRef("row"))
	Label("end")
	Store(i, ReturnIndex(0))
	RET()
}
