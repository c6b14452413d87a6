package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The kernels of a walk (walk.go of the package): what a search does beside
// comparing. Each does without branches what depends on the data, as nobody
// can guess it.

const (
	lanes32 = 16 // of 32 bits in a ZMM register
	lanes64 = 8
)

// ones returns a ZMM register of bits that are set.
func ones() reg.VecVirtual {
	r := ZMM()
	VPTERNLOGD(U8(0xff), r, r, r)
	return r
}

// spread returns a ZMM register with a number in each lane of 32 bits.
func spread(n uint32) reg.VecVirtual {
	x, r := GP32(), ZMM()
	MOVL(U32(n), x)
	VPBROADCASTD(x, r)
	return r
}

// rest sets k to the lanes of 32 bits that are left of n after i.
func rest(n, i reg.GPVirtual) reg.OpmaskVirtual {
	left, sixteen, m, k := GP64(), GP64(), GP32(), K()
	MOVQ(n, left)
	SUBQ(i, left)
	MOVQ(U32(lanes32), sixteen)
	CMPQ(left, sixteen)
	CMOVQGT(sixteen, left)
	MOVL(I32(-1), m)
	BZHIL(left.As32(), m, m)
	KMOVW(m, k)
	return k
}

// unmarked takes 16 links at a time: it fetches the words with their marks,
// packs those that are not marked, and marks them.
func unmarked() {
	TEXT("unmarkedAVX512", NOSPLIT, "func(list *uint32, n int, marks *uint64, words int, out *uint32) (found, done int)")
	Pragma("noescape")
	Doc("unmarkedAVX512 is unmarkedPortable; words counts 32 bits each, at least 16, and up to 16 numbers are",
		"written beyond those found. It stops before 16 links two of which are equal.")
	// Where the indices of the words with new marks go, and the marks.
	local := AllocLocal(2 * 64)
	list, n := Load(Param("list"), GP64()), Load(Param("n"), GP64()).(reg.GPVirtual)
	marks, out := Load(Param("marks"), GP64()), Load(Param("out"), GP64())
	words := ZMM()
	VPBROADCASTD(Load(Param("words"), GP64()).(reg.GPVirtual).As32(), words)
	minus, one, low := ones(), spread(1), spread(31)
	// Lanes without a new mark add no mark to words of their own: to one word,
	// each would wait for the one before.
	table := GLOBL("wordsApart", RODATA|NOPTR)
	for i := range lanes32 {
		DATA(4*i, U32(uint32(i)))
	}
	apart := ZMM()
	VMOVDQU32(table, apart)
	i, found := GP64(), GP64()
	XORQ(i, i)
	XORQ(found, found)

	Label("links")
	CMPQ(i, n)
	JGE(LabelRef("end"))
	tail := rest(n, i)
	links, used, any := ZMM(), K(), GP32()
	VMOVDQU32_Z(Mem{Base: list, Index: i, Scale: 4}, tail, links)
	VPTESTMD(links, links, used)
	KMOVW(used, any)
	TESTL(any, any)
	JZ(LabelRef("next"))
	index, beyond, twice, k := ZMM(), K(), ZMM(), K()
	VPSRLD(U8(5), links, index)
	VPCMPUD(U8(5), words, index, used, beyond)
	VPCONFLICTD_Z(links, used, twice)
	VPTESTMD(twice, twice, k)
	KORTESTW(k, beyond)
	JNZ(LabelRef("end"))
	word, at, fresh := ZMM(), ZMM(), K()
	VPXORD(word, word, word)
	gather := K()
	KMOVW(used, gather)
	VPGATHERDD(Mem{Base: marks, Index: index, Scale: 4}, gather, word)
	VPANDD(low, links, at)
	VPSRLVD(at, word, word)
	VPTESTNMD(one, word, used, fresh)
	rows, bits, to := ZMM(), ZMM(), ZMM()
	VPADDD(minus, links, rows)
	VPCOMPRESSD_Z(rows, fresh, rows)
	VMOVDQU32(rows, Mem{Base: out, Index: found, Scale: 4})
	VPSLLVD(at, one, bits)
	VPCOMPRESSD_Z(bits, fresh, bits)
	VMOVDQA64(apart, to)
	VPCOMPRESSD(index, fresh, to)
	VMOVDQU32(to, local)
	VMOVDQU32(bits, local.Offset(64))
	count := GP32()
	KMOVW(fresh, count)
	POPCNTL(count, count)
	ADDQ(count.As64(), found)
	mark := func(from int) {
		for l := from; l < from+lanes32/2; l++ {
			w, b := GP32(), GP32()
			MOVL(local.Offset(4*l), w)
			MOVL(local.Offset(64+4*l), b)
			ORL(b, Mem{Base: marks, Index: w.As64(), Scale: 4})
		}
	}
	mark(0)
	CMPL(count, U32(lanes32/2))
	JLE(LabelRef("next"))
	mark(lanes32 / 2)
	Label("next")
	ADDQ(U32(lanes32), i)
	JMP(LabelRef("links"))

	Label("end")
	CMPQ(i, n)
	CMOVQGT(n, i)
	VZEROUPPER()
	Store(found, ReturnIndex(0))
	Store(i, ReturnIndex(1))
	RET()
}

// ranker returns what loads scores as Sortable has them.
func ranker() func(scores Mem, tail reg.OpmaskVirtual) reg.VecVirtual {
	sign, worst := spread(0x80000000), spread(0xff800000)
	return func(scores Mem, tail reg.OpmaskVirtual) reg.VecVirtual {
		x, nan, flip := ZMM(), K(), ZMM()
		VMOVDQU32_Z(scores, tail, x)
		VCMPPS(U8(3), x, x, nan)
		VMOVDQA32(worst, nan, x)
		VPSRAD(U8(31), x, flip)
		VPORD(sign, flip, flip)
		VPXORD(flip, x, x)
		return x
	}
}

// keysAbove takes 16 scores at a time.
func keysAbove() {
	TEXT("keysAboveAVX512", NOSPLIT, "func(scores *float32, rows *uint32, n int, least uint64, out *uint64) int")
	Pragma("noescape")
	Doc("keysAboveAVX512 is keysAbovePortable; up to 8 keys are written beyond those found.")
	scores, rows := Load(Param("scores"), GP64()), Load(Param("rows"), GP64())
	n, out := Load(Param("n"), GP64()).(reg.GPVirtual), Load(Param("out"), GP64())
	least := ZMM()
	VPBROADCASTQ(Load(Param("least"), GP64()), least)
	minus, rank := ones(), ranker()
	i, found := GP64(), GP64()
	XORQ(i, i)
	XORQ(found, found)
	Label("scores")
	CMPQ(i, n)
	JGE(LabelRef("end"))
	tail := rest(n, i)
	r := ZMM()
	x := rank(Mem{Base: scores, Index: i, Scale: 4}, tail)
	VMOVDQU32_Z(Mem{Base: rows, Index: i, Scale: 4}, tail, r)
	VPXORD(minus, r, r)
	for half := range 2 {
		k, row, above, count := ZMM(), ZMM(), K(), GP32()
		if half == 0 {
			VPMOVZXDQ(x.AsY(), k)
			VPMOVZXDQ(r.AsY(), row)
		} else {
			y := YMM()
			VEXTRACTI64X4(U8(1), x, y)
			VPMOVZXDQ(y, k)
			VEXTRACTI64X4(U8(1), r, y)
			VPMOVZXDQ(y, row)
			KSHIFTRW(U8(lanes64), tail, tail)
		}
		VPSLLQ(U8(32), k, k)
		VPORQ(row, k, k)
		VPCMPUQ(U8(6), least, k, tail, above)
		VPCOMPRESSQ_Z(k, above, k)
		VMOVDQU64(k, Mem{Base: out, Index: found, Scale: 8})
		KMOVW(above, count)
		POPCNTL(count, count)
		ADDQ(count.As64(), found)
	}
	ADDQ(U32(lanes32), i)
	JMP(LabelRef("scores"))
	Label("end")
	VZEROUPPER()
	Store(found, ReturnIndex(0))
	RET()
}

// dropCloser takes 16 scores at a time. What it packs is written to where it, or
// what was dropped before it, was read from.
func dropCloser() {
	TEXT("dropCloserAVX512", NOSPLIT, "func(scores *float32, keys *uint64, rows *uint32, n int) int")
	Pragma("noescape")
	Doc("dropCloserAVX512 is dropCloserPortable; up to 16 keys and rows beyond n are spoilt.")
	scores, keys, rows := Load(Param("scores"), GP64()), Load(Param("keys"), GP64()), Load(Param("rows"), GP64())
	n := Load(Param("n"), GP64()).(reg.GPVirtual)
	rank := ranker()
	i, found := GP64(), GP64()
	XORQ(i, i)
	XORQ(found, found)
	Label("scores")
	CMPQ(i, n)
	JGE(LabelRef("end"))
	tail := rest(n, i)
	x := rank(Mem{Base: scores, Index: i, Scale: 4}, tail)
	lo, hi, base, y, r, stay := ZMM(), ZMM(), ZMM(), YMM(), ZMM(), K()
	VMOVDQU64(Mem{Base: keys, Index: i, Scale: 8}, lo)
	VMOVDQU64(Mem{Base: keys, Index: i, Scale: 8, Disp: 64}, hi)
	VPSRLQ(U8(32), lo, base)
	VPMOVQD(base, base.AsY())
	VPSRLQ(U8(32), hi, r)
	VPMOVQD(r, y)
	VINSERTI64X4(U8(1), y, base, base)
	VPCMPUD(U8(2), base, x, tail, stay) // x ≤ base
	VMOVDQU32(Mem{Base: rows, Index: i, Scale: 4}, r)
	VPCOMPRESSD_Z(r, stay, r)
	VMOVDQU32(r, Mem{Base: rows, Index: found, Scale: 4})
	for half, of := range []reg.VecVirtual{lo, hi} {
		if half == 1 {
			KSHIFTRW(U8(lanes64), stay, stay)
		}
		count := GP32()
		VPCOMPRESSQ_Z(of, stay, of)
		VMOVDQU64(of, Mem{Base: keys, Index: found, Scale: 8})
		KMOVB(stay, count)
		POPCNTL(count, count)
		ADDQ(count.As64(), found)
	}
	ADDQ(U32(lanes32), i)
	JMP(LabelRef("scores"))
	Label("end")
	VZEROUPPER()
	Store(found, ReturnIndex(0))
	RET()
}

// insertDescending puts one key after the other into its place. Of sorted
// numbers a, what is in place j afterwards is max(aⱼ, min(aⱼ₋₁, k)): there is
// no place to be searched first. It goes from the last to the first eight, so
// that each is read before it is written.
func insertDescending() {
	TEXT("insertDescendingAVX512", NOSPLIT, "func(keys *uint64, eights int, open *uint64, words int, more *uint64, n int)")
	Pragma("noescape")
	Doc("insertDescendingAVX512 inserts n > 0 keys into 8·eights > 0, of which the last n fall off, and sets their",
		"bits in open, moving the others; open has room for one more bit than there are keys.")
	keys, eights := Load(Param("keys"), GP64()), Load(Param("eights"), GP64())
	open, words := Load(Param("open"), GP64()), Load(Param("words"), GP64())
	more, n := Load(Param("more"), GP64()), Load(Param("n"), GP64())
	first := ones() // greater than every key
	SHLQ(U8(6), eights)
	SUBQ(U32(64), eights)
	DECQ(words)

	Label("key")
	k, here := ZMM(), ZMM()
	VPBROADCASTQ(Mem{Base: more}, k)
	ADDQ(U32(8), more)
	off, at := GP64(), GP64()
	MOVQ(eights, off)
	XORQ(at, at)
	VMOVDQU64(Mem{Base: keys, Index: off, Scale: 1}, here)
	step := func(before reg.VecVirtual) {
		moved, greater, count := ZMM(), K(), GP32()
		VALIGNQ(U8(7), before, here, moved)
		VPCMPUQ(U8(6), k, here, greater)
		VPMINUQ(k, moved, moved)
		VPMAXUQ(here, moved, moved)
		VMOVDQU64(moved, Mem{Base: keys, Index: off, Scale: 1})
		KMOVW(greater, count)
		POPCNTL(count, count)
		ADDQ(count.As64(), at)
	}
	Label("eight")
	TESTQ(off, off)
	JZ(LabelRef("first"))
	before := ZMM()
	VMOVDQU64(Mem{Base: keys, Index: off, Scale: 1, Disp: -64}, before)
	step(before)
	VMOVDQA64(before, here)
	SUBQ(U32(64), off)
	JMP(LabelRef("eight"))
	Label("first")
	step(first)

	// The bits from at on move up by one.
	word, bit, below, x, carry := GP64(), GP64(), GP64(), GP64(), GP64()
	MOVQ(at, word)
	SHRQ(U8(6), word)
	MOVQ(U32(1), bit)
	SHLXQ(at, bit, bit)
	LEAQ(Mem{Base: bit, Disp: -1}, below)
	MOVQ(Mem{Base: open, Index: word, Scale: 8}, x)
	ANDQ(x, below) // those that stay
	XORQ(below, x) // those that move
	MOVQ(x, carry)
	SHRQ(U8(63), carry)
	LEAQ(Mem{Base: bit, Index: x, Scale: 2}, x)
	ORQ(below, x)
	MOVQ(x, Mem{Base: open, Index: word, Scale: 8})
	Label("word")
	CMPQ(word, words)
	JGE(LabelRef("moved"))
	INCQ(word)
	y, up := GP64(), GP64()
	MOVQ(Mem{Base: open, Index: word, Scale: 8}, y)
	MOVQ(y, up)
	SHRQ(U8(63), up)
	LEAQ(Mem{Base: carry, Index: y, Scale: 2}, y)
	MOVQ(y, Mem{Base: open, Index: word, Scale: 8})
	MOVQ(up, carry)
	JMP(LabelRef("word"))
	Label("moved")
	DECQ(n)
	JNZ(LabelRef("key"))
	VZEROUPPER()
	RET()
}

// linear takes 8 sums at a time.
func linear() {
	TEXT("linearAVX512", NOSPLIT, "func(sums *int32, n int, a, b float64, out *float32)")
	Pragma("noescape")
	Doc("linearAVX512 is linearPortable for n sums. The product is rounded before the addition, as there.")
	sums, out := Load(Param("sums"), GP64()), Load(Param("out"), GP64())
	n := Load(Param("n"), GP64()).(reg.GPVirtual)
	a, b := ZMM(), ZMM()
	VBROADCASTSD(Load(Param("a"), XMM()), a)
	VBROADCASTSD(Load(Param("b"), XMM()), b)
	i := GP64()
	XORQ(i, i)
	Label("sums")
	CMPQ(i, n)
	JGE(LabelRef("end"))
	tail, x, y := rest(n, i), ZMM(), YMM()
	VMOVDQU32_Z(Mem{Base: sums, Index: i, Scale: 4}, tail, x)
	VCVTDQ2PD(x.AsY(), x)
	VMULPD(a, x, x)
	VADDPD(b, x, x)
	VCVTPD2PS(x, y)
	KMOVB(tail, tail)
	VMOVUPS(y.AsZ(), tail, Mem{Base: out, Index: i, Scale: 4})
	ADDQ(U32(lanes64), i)
	JMP(LabelRef("sums"))
	Label("end")
	VZEROUPPER()
	RET()
}

// atLeast takes 16 scores at a time.
func atLeast() {
	TEXT("atLeastAVX512", NOSPLIT, "func(scores *float32, n int, floor float32) int")
	Pragma("noescape")
	Doc("atLeastAVX512 is atLeastPortable for n scores.")
	scores := Load(Param("scores"), GP64())
	n := Load(Param("n"), GP64()).(reg.GPVirtual)
	floor := ZMM()
	VBROADCASTSS(Load(Param("floor"), XMM()), floor)
	i := GP64()
	XORQ(i, i)
	Label("scores")
	CMPQ(i, n)
	JGE(LabelRef("none"))
	tail, x, not, at := rest(n, i), ZMM(), K(), GP32()
	VMOVUPS_Z(Mem{Base: scores, Index: i, Scale: 4}, tail, x)
	VCMPPS(U8(5), floor, x, tail, not) // not less than, as of NaN
	KMOVW(not, at)
	TESTL(at, at)
	JNZ(LabelRef("found"))
	ADDQ(U32(lanes32), i)
	JMP(LabelRef("scores"))
	Label("found")
	TZCNTL(at, at)
	ADDQ(at.As64(), i)
	VZEROUPPER()
	Store(i, ReturnIndex(0))
	RET()
	Label("none")
	VZEROUPPER()
	Store(n, ReturnIndex(0))
	RET()
}

// signLinear is what makes estimates of the sums over 1-bit codes, 16 at a time.
func signLinear() {
	index := GLOBL("signTermsOrder", RODATA|NOPTR)
	for i := range 2 * lanes32 { // the scales of two registers, then the offsets
		DATA(4*i, U32(uint32(2*(i%lanes32)+i/lanes32)))
	}
	TEXT("signLinearAVX512", NOSPLIT, "func(sums *int32, n int, terms *float32, less int32, a, b, c float32, out *float32)")
	Pragma("noescape")
	Doc("signLinearAVX512 is signLinearPortable for n sums; terms are pairs of scale and offset. Each product is rounded before what follows, as there.")
	sums, terms, out := Load(Param("sums"), GP64()), Load(Param("terms"), GP64()), Load(Param("out"), GP64())
	n := Load(Param("n"), GP64()).(reg.GPVirtual)
	a, b, c, less := ZMM(), ZMM(), ZMM(), ZMM()
	VBROADCASTSS(Load(Param("a"), XMM()), a)
	VBROADCASTSS(Load(Param("b"), XMM()), b)
	VBROADCASTSS(Load(Param("c"), XMM()), c)
	VPBROADCASTD(Load(Param("less"), GP32()), less)
	bound, least, most := GP32(), ZMM(), ZMM()
	MOVL(U32(math.Float32bits(1e38)), bound) // termBound
	VPBROADCASTD(bound, most)
	MOVL(U32(math.Float32bits(-1e38)), bound)
	VPBROADCASTD(bound, least)
	scales, offsets := ZMM(), ZMM()
	VMOVDQU64(index, scales)
	VMOVDQU64(index.Offset(cacheLine), offsets)
	i := GP64()
	XORQ(i, i)
	Label("sums")
	CMPQ(i, n)
	JGE(LabelRef("end"))
	tail, high, x := rest(n, i), K(), ZMM()
	VMOVDQU32_Z(Mem{Base: sums, Index: i, Scale: 4}, tail, x)
	VPADDD(x, x, x)
	VPSUBD(less, x, x)
	VCVTDQ2PS(x, x)
	VMULPS(a, x, x)
	first, second, scale, offset := ZMM(), ZMM(), ZMM(), ZMM()
	VMOVDQU64_Z(Mem{Base: terms, Index: i, Scale: 8}, tail, first)
	KSHIFTRW(U8(lanes64), tail, high)
	VMOVDQU64_Z(Mem{Base: terms, Index: i, Scale: 8, Disp: cacheLine}, high, second)
	VMOVDQA64(scales, scale)
	VPERMI2PS(second, first, scale)
	VMOVDQA64(offsets, offset)
	VPERMI2PS(second, first, offset)
	VMULPS(scale, x, x)
	VMULPS(b, offset, offset)
	for _, term := range []reg.VecVirtual{x, offset} {
		VMINPS(most, term, term)
		VMAXPS(least, term, term)
	}
	VADDPS(offset, x, x)
	VADDPS(c, x, x)
	VMOVUPS(x, tail, Mem{Base: out, Index: i, Scale: 4})
	ADDQ(U32(lanes32), i)
	JMP(LabelRef("sums"))
	Label("end")
	VZEROUPPER()
	RET()
}

func walkKernels() {
	linear()
	signLinear()
	atLeast()
	dropCloser()
	unmarked()
	keysAbove()
	insertDescending()
}
