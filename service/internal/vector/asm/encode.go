package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The encoders take whole sixteens of components; their callers do the rest.
// They multiply and subtract apart, never fused, so that a code does not
// depend on the processor.
const encoded = 16

// encoder holds what the loop over the components needs.
type encoder struct {
	v            isa
	from, mean   reg.Register
	n            reg.GPVirtual
	factor       reg.VecVirtual
	perIteration int
}

func newEncoder(v isa) *encoder {
	e := &encoder{v: v, perIteration: encoded / v.floats}
	e.from, e.mean = Load(Param("v"), GP64()), Load(Param("mean"), GP64())
	e.n = Load(Param("n"), GP64()).(reg.GPVirtual)
	e.factor = e.broadcast("factor")
	return e
}

func (e *encoder) broadcast(param string) reg.VecVirtual {
	x, r := XMM(), e.v.register()
	Load(Param(param), x)
	VBROADCASTSS(x, r)
	return r
}

func (e *encoder) bits(word uint32) reg.VecVirtual {
	w, x, r := GP32(), XMM(), e.v.register()
	MOVL(U32(word), w)
	VMOVD(w, x)
	VBROADCASTSS(x, r)
	return r
}

// scaled is factor·v, part i of this iteration.
func (e *encoder) scaled(i int) reg.VecVirtual {
	r := e.v.register()
	VMULPS(Mem{Base: e.from, Disp: i * e.v.bytes()}, e.factor, r)
	return r
}

func (e *encoder) meanAt(i int) Mem { return Mem{Base: e.mean, Disp: i * e.v.bytes()} }

func (e *encoder) loop(body func()) {
	Label("loop")
	CMPQ(e.n, U32(encoded))
	JL(LabelRef("end"))
	body()
	ADDQ(U32(encoded*floatBytes), e.from)
	ADDQ(U32(encoded*floatBytes), e.mean)
	SUBQ(U32(encoded), e.n)
	JMP(LabelRef("loop"))
	Label("end")
}

// Bits of the float32 numbers 63 and −63, beyond which codes are clipped, and
// the code of the mean.
const (
	float63      = 0x427c0000
	floatMinus63 = 0xc27c0000
	codeOfMean   = 64
	greaterThan  = 0x1e // VCMPPS: ordered, quiet
)

func encodeU7(v isa) {
	name := "encodeU7" + v.name
	TEXT(name, NOSPLIT, "func(v, mean *float32, factor, inverse float32, dst *byte, n int) int32")
	Pragma("noescape")
	Doc(name+" writes the 7-bit codes of n components, n a multiple of 16, and returns their sum.",
		"It rounds as MXCSR says: to nearest, ties to even.")
	e := newEncoder(v)
	dst := Load(Param("dst"), GP64())
	inverse := e.broadcast("inverse")
	most, least, middle := e.bits(float63), e.bits(floatMinus63), e.bits(codeOfMean)
	acc := v.zeros(1)[0]
	e.loop(func() {
		var codes []reg.VecVirtual
		for i := range e.perIteration {
			r := e.scaled(i)
			VSUBPS(e.meanAt(i), r, r)
			VMULPS(inverse, r, r)
			VMAXPS(least, r, r) // NaN becomes the least
			VMINPS(most, r, r)
			VCVTPS2DQ(r, r)
			VPADDD(middle, r, r)
			VPADDD(r, acc, acc)
			codes = append(codes, r)
		}
		if v == avx512 {
			VPMOVDB(codes[0], Mem{Base: dst})
		} else {
			words, h := YMM(), XMM()
			VPACKSSDW(codes[1], codes[0], words)
			VPERMQ(U8(0xd8), words, words)
			VEXTRACTI128(U8(1), words, h)
			VPACKUSWB(h, words.AsX(), h)
			VMOVDQU(h, Mem{Base: dst})
		}
		ADDQ(U32(encoded), dst)
	})
	if v == avx512 {
		acc = foldInt(acc)
	}
	x, h, sum := XMM(), XMM(), GP32()
	VEXTRACTI128(U8(1), acc, h)
	VPADDD(acc.AsX(), h, x)
	VPHADDD(x, x, x)
	VPHADDD(x, x, x)
	VZEROUPPER()
	VMOVD(x, sum)
	Store(sum, ReturnIndex(0))
	RET()
}

func encodeSigns(v isa) {
	name := "encodeSigns" + v.name
	TEXT(name, NOSPLIT, "func(v, mean *float32, factor float32, dst *byte, n int)")
	Pragma("noescape")
	Doc(name + " writes a bit for each of n components, n a multiple of 16, set where factor·v exceeds the mean.")
	e := newEncoder(v)
	dst := Load(Param("dst"), GP64())
	e.loop(func() {
		for i := range e.perIteration {
			r := e.scaled(i)
			if v == avx512 {
				k, w := K(), GP32()
				m := v.register()
				VMOVUPS(e.meanAt(i), m)
				VCMPPS(U8(greaterThan), m, r, k)
				KMOVW(k, w)
				MOVW(w.As16(), Mem{Base: dst})
				continue
			}
			w := GP32()
			VCMPPS(U8(greaterThan), e.meanAt(i), r, r)
			VMOVMSKPS(r, w)
			MOVB(w.As8(), Mem{Base: dst, Disp: i})
		}
		ADDQ(U32(encoded/8), dst)
	})
	VZEROUPPER()
	RET()
}

func centredMoments(v isa) {
	name := "centredMoments" + v.name
	TEXT(name, NOSPLIT, "func(v, mean *float32, factor float32, n int) (abs, squares float32)")
	Pragma("noescape")
	Doc(name + " sums |factor·v − mean| and its square over n components, n a multiple of 16.")
	e := newEncoder(v)
	magnitude := e.bits(0x7fffffff)
	abs, squares := v.zeros(e.perIteration), v.zeros(e.perIteration)
	e.loop(func() {
		for i := range e.perIteration {
			r := e.scaled(i)
			VSUBPS(e.meanAt(i), r, r)
			VFMADD231PS(r, r, squares[i])
			if v == avx512 {
				VPANDD(magnitude, r, r)
			} else {
				VPAND(magnitude, r, r)
			}
			VADDPS(r, abs[i], abs[i])
		}
	})
	for i := 1; i < e.perIteration; i++ {
		VADDPS(abs[i], abs[0], abs[0])
		VADDPS(squares[i], squares[0], squares[0])
	}
	a, s := v.sum(abs[0]), v.sum(squares[0])
	VZEROUPPER()
	Store(a, ReturnIndex(0))
	Store(s, ReturnIndex(1))
	RET()
}
